"""The yardstick in Polars, as its experts would write it.

    [POLARS_MAX_THREADS=n] python -m benchmarks.peers.polars_peer --data DIR --task TASK --out DIR

Tried on 10 M rows, 2 cores, Polars 2.1.0; CPU seconds before -> after
- Valid and rejected rows as two sinks of one streaming scan (collect_all) instead of collect and filter: 6.4 ->
  5.3, peak memory -40 % (2 M, T1).
- Dedup by a struct.hash column, group_by(hash) streaming, wide unique only for rows whose hash occurs twice
  (exact): 5.2 -> 1.6. Slower: unique on six columns (in memory 5-14, more when chunked; streaming 8), on four
  packed columns (5-8), is_first_distinct (2.6-4), group_by(key).first (13), anti and semi join on the hashes
  instead of is_in (+0.2 at 2 M).
- Rating by integer index (gather) instead of joins; prefixes by search_sorted in ranges: 4.7 -> 1.9. search_sorted
  as an expression is serial in the streaming engine, hence map_batches per morsel.
- T5: rate, sink_parquet and both aggregates as one streaming query instead of collect and write: 9.9 -> 7.9 (T5
  wall -1.2 s); one integer key for (msisdn, day): -0.3. No gain: maintain_order=False, row_group_size,
  data_page_size, pyarrow's writer with BYTE_STREAM_SPLIT from two threads (smaller files, 18 % less CPU in the
  writer alone at 2 M, but no fusion: 10.5 s).
- Not possible: Enum columns and encoding="utf8" in the reader stop at the first bad value; no choice of encodings
  when writing.
- statistics=False would give 5-8 % of the Parquet step; kept on, as in the other tools.
- Folded: sums of the valid and of the rejected rows as two outputs of one streaming scan 0.89, group_by(bad) 0.91,
  when/then in every aggregate 0.90 (2 M, T1).

Conventions
-----------
- T1, T2, T3 end in one streaming aggregate of all columns; T1-table, T2-table, T3-table in a data frame; T5 in files.
- Bad values become nulls and the raw text is gone: a reject's reason is guessed from which column is null. File and
  row number are known. A 15th column catches extra fields.
- One of each key stays, any of them: the charges are equal.
"""

from __future__ import annotations

import argparse
import glob

from benchmarks.peers.stopwatch import Stopwatch  # isort: skip  (starts the clock)

import polars as pl

from benchmarks.totals import modulo_word

ENGINE = "streaming"
RECORD_TYPE = pl.Enum(["voice_mo", "voice_mt", "sms_mo", "sms_mt", "data"])
HOST = pl.Enum(["CUCC", "CTCC", "CMCC"])
SCHEMA = {
    "record_id": pl.UInt64,
    "record_type": pl.String,
    "imsi": pl.Int64,
    "msisdn": pl.Int64,
    "other_party": pl.Int64,
    "start": pl.String,
    "duration_s": pl.UInt32,
    "volume_up": pl.UInt64,
    "volume_down": pl.UInt64,
    "city": pl.UInt16,
    "host": pl.String,
    "apn": pl.String,
    "seq": pl.UInt32,
    "charging_id": pl.UInt64,
    "extra": pl.String,
}
KEY = ["record_type", "msisdn", "start_local", "other_party", "charging_id", "seq"]
OUTPUT = [*(name for name in SCHEMA if name not in ("start", "extra")), "start_local"]
REQUIRED = [
    *("record_id", "record_type", "imsi", "msisdn", "start_local", "duration_s", "volume_up", "volume_down", "city"),
    *("host", "apn", "seq", "charging_id"),
]
TENS = pl.Series([10**k for k in range(19)], dtype=pl.UInt64)
col = pl.col


def scan(data: str) -> pl.LazyFrame:
    """All files, each row with `bad`."""
    rows = pl.scan_csv(
        sorted(glob.glob(f"{data}/cdr_*.txt*")),
        separator="|",
        has_header=False,
        schema=SCHEMA,
        quote_char=None,
        ignore_errors=True,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        row_index_name="line",
        include_file_paths="file",
        missing_columns="insert",
    )
    start = col("start").str.to_datetime("%Y%m%d%H%M%S+0800", strict=False, exact=True, time_unit="us")
    rows = rows.with_columns(
        col("record_type").cast(RECORD_TYPE, strict=False), col("host").cast(HOST, strict=False), start_local=start
    )
    is_data, no_other = col("record_type") == "data", col("other_party").is_null()
    return rows.with_columns(
        bad=col("extra").is_not_null()
        | pl.any_horizontal(col(REQUIRED).is_null())
        | ~col("imsi").is_between(100000000000000, 999999999999999).fill_null(False)
        | ~col("msisdn").is_between(8600000000000, 8699999999999).fill_null(False)
        | (is_data != no_other).fill_null(True)
    )


def reason() -> pl.Expr:
    """Why a row is bad, as far as its nulls tell."""
    rest = ("imsi", "msisdn", "volume_up", "volume_down", "city", "seq", "record_id", "apn")
    return (
        pl.when(col("extra").is_not_null())
        .then(1)
        .when(col("charging_id").is_null() & col("seq").is_null())
        .then(1)
        .when(col("charging_id").is_null())
        .then(2)
        .when(col("record_type").is_null())
        .then(3)
        .when(col("host").is_null())
        .then(4)
        .when(col("start_local").is_null())
        .then(5)
        .when(col("duration_s").is_null())
        .then(6)
        .when(~col("imsi").is_between(100000000000000, 999999999999999))
        .then(7)
        .when(~col("msisdn").is_between(8600000000000, 8699999999999))
        .then(8)
        .when(pl.any_horizontal(col(rest).is_null()))
        .then(9)
        .otherwise(10)
        .cast(pl.UInt8)
    )


def prefix_ranges(data: str) -> tuple[pl.Series, pl.Series]:
    """Prefixes as disjoint ranges: boundaries ascending, and the zone from each on.

    A boundary is an 18-digit start * 10 + prefix length (0 where a prefix ends), so that a number of L digits, looked
    up as padded * 10 + min(L, 9), never matches a prefix longer than itself.
    """
    rows = pl.read_csv(f"{data}/ref/prefixes.csv", schema={"prefix": pl.String, "zone": pl.Int32}).rows()
    zones, ends, boundaries = dict(rows), set(), {}
    for prefix, zone in rows:
        width = 10 ** (18 - len(prefix))
        start = int(prefix) * width
        boundaries[start * 10 + len(prefix)] = zone
        ends.add((start + width, prefix))
    for end, prefix in sorted(ends, key=lambda item: len(item[1])):
        outer = prefix[:-1]  # what holds after the end: the nearest enclosing prefix that does not end here itself
        while outer and not (outer in zones and (int(outer) + 1) * 10 ** (18 - len(outer)) > end):
            outer = outer[:-1]
        boundaries[end * 10] = zones.get(outer, 1) if outer else 1
    order = sorted(boundaries)
    starts = pl.Series([0, *order], dtype=pl.UInt64)
    return starts, pl.Series([1, *(boundaries[key] for key in order)], dtype=pl.Int32)


def tariffs_by_index(data: str) -> pl.DataFrame:
    """The tariff rows at ((record type * 20 + zone) * 3 + band) * 2 + version - 1."""
    rows = pl.read_csv(f"{data}/ref/tariffs.csv").with_columns(
        col("record_type").cast(RECORD_TYPE).to_physical().cast(pl.Int32)
    )
    index = ((col("record_type") * 20 + col("zone")) * 3 + col("band")) * 2 + col("version") - 1
    places = pl.DataFrame({"k": pl.int_range(600 * 2, eager=True)})
    return places.join(rows.with_columns(k=index), on="k", how="left", maintain_order="left")


def with_tariff_index(rows: pl.LazyFrame, data: str) -> pl.LazyFrame:
    """Zone, band, version, quantity and the index of the tariff row."""
    boundaries, zones = prefix_ranges(data)
    code = col("record_type").to_physical().cast(pl.Int32)

    def longest_prefix(numbers: pl.Series) -> pl.Series:
        """Per morsel, only where there is a number."""
        at = numbers.is_not_null().arg_true()
        values = numbers.gather(at).cast(pl.UInt64)
        digits = TENS.search_sorted(values, side="right").cast(pl.UInt64)
        keys = values * TENS.gather(18 - digits) * 10 + digits.clip(upper_bound=9)
        found = zones.gather(boundaries.search_sorted(keys, side="right") - 1)
        return pl.zeros(len(numbers), dtype=pl.Int32, eager=True).scatter(at, found)

    originated = col("record_type").is_in(["voice_mo", "sms_mo"])
    weekend, hour = col("start_local").dt.weekday() >= 6, col("start_local").dt.hour()
    volume = (col("volume_up") + col("volume_down")).cast(pl.Int64)
    rows = rows.with_columns(
        zone=pl.when(originated)
        .then(col("other_party"))
        .map_batches(longest_prefix, return_dtype=pl.Int32, is_elementwise=True),
        band=pl.when(weekend).then(2).when(hour.is_between(8, 21)).then(0).otherwise(1).cast(pl.Int8),
        version=pl.when(col("start_local") >= pl.datetime(2026, 6, 16)).then(2).otherwise(1).cast(pl.Int8),
        qty=pl.when(code == 4)
        .then(volume)
        .when(code < 2)
        .then(col("duration_s").cast(pl.Int64))
        .otherwise(pl.lit(1, pl.Int64)),
    )
    return rows.with_columns(k=((code * 20 + col("zone")) * 3 + col("band")) * 2 + col("version") - 1)


def rate(rows: pl.LazyFrame, data: str) -> pl.LazyFrame:
    """Rows with zone, band, version, wholesale and retail."""
    tariffs = tariffs_by_index(data)
    prices = {(host, service): price for host, service, price in pl.read_csv(f"{data}/ref/wholesale.csv").rows()}
    by_host = [prices[host, service] for host in HOST.categories for service in ("voice", "sms", "data")]
    rows = with_tariff_index(rows, data)
    code, quantity = col("record_type").to_physical().cast(pl.Int32), col("qty")
    first, first_price, following, next_price = (
        pl.lit(tariffs[name]).gather(col("k")) for name in ("inc_first", "price_first", "inc_next", "price_next")
    )
    beyond = (quantity - first).clip(0)
    units = pl.when(code < 2).then((quantity + 59) // 60).when(code < 4).then(1).otherwise((quantity + 1023) // 1024)
    price = pl.lit(pl.Series(by_host, dtype=pl.Int64)).gather(col("host").to_physical().cast(pl.Int32) * 3 + code // 2)
    retail = first_price + (beyond + following - 1) // following * next_price
    charged = rows.with_columns(wholesale=units * price, retail=pl.when(quantity == 0).then(0).otherwise(retail))
    return charged.drop("k", "qty")


def sums() -> dict[str, pl.Expr]:
    """Every column of usage reduced to one number: text to its bytes, an Enum to its codes; narrow ones widened."""

    def widened(expression: pl.Expr) -> pl.Expr:
        return expression.cast(pl.Int64).sum()

    return {
        "count_other_party": col("other_party").count(),
        "sum_start_us": col("start_utc").dt.epoch("us").sum(),
        "codes_record_type": widened(col("record_type").to_physical()),
        "codes_host": widened(col("host").to_physical()),
        "bytes_apn": widened(col("apn").str.len_bytes()),
        "sum_record_id": col("record_id").sum(),
        "sum_imsi": col("imsi").sum(),
        "sum_msisdn": col("msisdn").sum(),
        "sum_other_party": col("other_party").sum(),
        "sum_duration": widened(col("duration_s")),
        "sum_uplink": col("volume_up").sum(),
        "sum_downlink": col("volume_down").sum(),
        "sum_city": widened(col("city")),
        "sum_sequence": widened(col("seq")),
        "sum_charging_id": col("charging_id").sum(),
    }


def rated_sums() -> dict[str, pl.Expr]:
    """Every column of rated rows reduced to one number."""
    added = {f"sum_{name}": col(name).cast(pl.Int64).sum() for name in ("zone", "band", "version")}
    return {**sums(), **added, "sum_wholesale": col("wholesale").sum(), "sum_retail": col("retail").sum()}


def folded(rows: pl.LazyFrame, aggregates: dict[str, pl.Expr]) -> pl.LazyFrame:
    """One row of aggregates and the number of rows."""
    return rows.select(pl.len().alias("rows"), **aggregates)


class Run:
    """One task."""

    def __init__(self, data: str, out: str):
        self.data, self.out = data, out
        self.watch = Stopwatch()
        self.results: dict[str, int] = {}

    def queries(self) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        """Valid and rejected rows."""
        rows = scan(self.data)
        start_utc = (col("start_local") - pl.duration(hours=8)).alias("start_utc")
        bad = rows.filter("bad").with_columns(reason=reason()).select("file", "line", "reason", "record_id")
        return rows.filter(~col("bad")).select([*OUTPUT, start_utc]), bad

    def keep(self, found: dict[str, int]) -> int:
        """Note the sums of a fold; returns how many rows there were."""
        count = found.pop("rows")
        self.results.update(modulo_word(found))
        return count

    def parse_folded(self) -> None:
        """T1: one streaming aggregate."""
        good, bad = self.queries()
        kept = bad.select(pl.len().alias("rows"), col("line", "reason", "record_id").sum())
        found, rejects = pl.collect_all([folded(good, sums()), kept], engine=ENGINE)
        self.watch.mark("read_validate_fold")
        self.results.update(valid=self.keep(found.row(0, named=True)), rejects=rejects["rows"][0])

    def parse(self, with_hash: bool) -> None:
        """T1-table, and the key's hash where the rows go on to dedup."""
        good, bad = self.queries()
        if with_hash:
            good = good.with_columns(h=pl.struct(KEY).hash())
        self.usage, self.rejects = pl.collect_all([good, bad], engine=ENGINE)
        self.watch.mark("read_validate")
        self.results.update(valid=self.usage.height, rejects=self.rejects.height)

    def deduplicated(self, materialise: bool) -> pl.LazyFrame:
        """The rows of T2. Exact: a row whose 64-bit hash occurs once is unique; only the others need the wide key."""
        usage = self.usage.lazy()
        repeated = usage.group_by("h").len().filter(col("len") > 1).select("h").collect(engine=ENGINE)["h"]
        suspect = col("h").is_in(repeated.implode())
        some = usage.filter(suspect).unique(subset=KEY, keep="any").collect()
        fresh = pl.concat([usage.filter(~suspect), some.lazy()]).drop("h")
        if materialise:
            accepted = fresh.collect(engine=ENGINE).height
        else:  # the rest of T2 is fused into the rating query
            accepted = self.usage.height - self.usage.select(suspect.sum()).item() + some.height
        self.watch.mark("dedup")
        self.results.update(accepted=accepted, duplicates=self.results["valid"] - accepted)
        return fresh

    def deduplicate_folded(self) -> None:
        """T2: one streaming aggregate."""
        self.fold(self.deduplicated(materialise=False), sums())

    def rate_folded(self) -> None:
        """T3: one streaming aggregate."""
        self.fold(rate(self.deduplicated(materialise=False), self.data), rated_sums())

    def fold(self, rows: pl.LazyFrame, aggregates: dict[str, pl.Expr]) -> None:
        """Reduce the accepted rows."""
        found = folded(rows, aggregates).collect(engine=ENGINE)
        self.watch.mark("fold")
        count = self.keep(found.row(0, named=True))
        assert count == self.results["accepted"]

    def rate(self, fresh: pl.LazyFrame) -> None:
        """T3-table."""
        rated = rate(fresh, self.data).collect(engine=ENGINE)
        self.watch.mark("rate")
        self.results.update(sum_wholesale=rated["wholesale"].sum(), sum_retail=rated["retail"].sum())

    def publish(self, fresh: pl.LazyFrame) -> None:
        """T5: rating, Parquet and both aggregates as one streaming query."""
        rated = rate(fresh, self.data)
        key = (col("msisdn") * 100000 + col("start_local").dt.epoch("d")).alias("key")
        days = rated.group_by(key).agg(pl.len().alias("n"), col("retail").sum())
        day = (col("key") % 100000).cast(pl.Int32).cast(pl.Date).alias("day")
        days = days.select((col("key") // 100000).alias("msisdn"), day, "n", "retail")
        service = (col("record_type").to_physical() // 2).alias("service")
        lines = rated.group_by("host", service).agg(pl.len().alias("n"), col("wholesale").sum())
        target = f"{self.out}/rated.parquet"
        sink = rated.drop("start_local").sink_parquet(target, compression="zstd", compression_level=1, lazy=True)
        _, days, lines = pl.collect_all([sink, days, lines], engine=ENGINE)
        self.watch.mark("rate_parquet_aggregate")
        self.rejects.write_parquet(f"{self.out}/rejects.parquet", compression="zstd", compression_level=1)
        days.write_parquet(f"{self.out}/account_day.parquet", compression="zstd", compression_level=1)
        named = lines.with_columns(col("service").replace_strict([0, 1, 2], ["voice", "sms", "data"]))
        named.write_csv(f"{self.out}/settlement.csv")
        self.watch.mark("write_rest")
        self.results.update(
            account_days=days.height, sum_wholesale=int(lines["wholesale"].sum()), sum_retail=int(days["retail"].sum())
        )


PARSED = {"T1": Run.parse_folded, "T1-table": lambda run: run.parse(with_hash=False)}
LOADED = {
    "T2": Run.deduplicate_folded,
    "T3": Run.rate_folded,
    "T2-table": lambda run: run.deduplicated(materialise=True),
    "T3-table": lambda run: run.rate(run.deduplicated(materialise=False)),
    "T5": lambda run: run.publish(run.deduplicated(materialise=False)),
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--task", required=True, choices=[*PARSED, *LOADED])
    parser.add_argument("--out", default=".")
    arguments = parser.parse_args()
    run = Run(arguments.data, arguments.out)
    if arguments.task in PARSED:
        PARSED[arguments.task](run)
    else:
        run.parse(with_hash=True)
        LOADED[arguments.task](run)
    run.watch.report(f"polars {pl.__version__}", arguments.task, run.results)


if __name__ == "__main__":
    main()
