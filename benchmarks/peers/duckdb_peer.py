"""The yardstick in DuckDB, as its experts would write it.

    python -m benchmarks.peers.duckdb_peer --data DIR --task TASK --out DIR [--threads 2]

Tried on 10 M (or, marked *, 2 M) rows, 2 cores, DuckDB 2.0.0; CPU seconds before -> after
- Record type and host to ENUM by CASE: read to Arrow 1.47 -> 1.32 *, table 1.51 -> 1.39 *.
- Dedup by a hash(key) column, GROUP BY hash, wide GROUP BY only for hashes that occur twice (exact), the copy fused
  into the rating query: 7.3 -> 1.6 (2 M alone to a table: 1.26 -> 0.58).
- Rating by joins on one small integer each (perfect hash join) instead of four columns with text; prefix heads as
  integers, resolved by one ASOF join instead of nine hash joins: 1.1 + 4.9 -> 0.45 + 4.1 (the dedup's copy
  included). Text heads (rpad) and the range table as a VALUES list instead of parameters were slower (together 0.39
  against 0.15 *).
- Parquet: PARQUET_VERSION V2 (DELTA_BINARY_PACKED) 1.24 -> 1.09 *, with DICTIONARY_SIZE_LIMIT 1000 0.71 * (6.1 ->
  2.9 at 10 M) and smaller. No gain: ROW_GROUP_SIZE, PER_THREAD_OUTPUT (within noise), WRITE_BLOOM_FILTER false,
  other dictionary limits.
- COPY from the rating query without a table: -0.14 *, but the aggregates must then rate again (+0.33 *): not kept.
- No gain: buffer_size, strict_mode=false, start time as VARCHAR; store_rejects costs 0.05 * against ignore_errors;
  all_varchar reads in 0.93 against 1.10 * typed, less than the casts would cost.
- Folded: GROUP BY reason, so that one pass gives the sums of the valid rows and the count of the others; FILTER on
  every aggregate 1.19 against 1.10 *. Reading the files twice, hashes first, instead of a table: T2 3.0 against 2.0 *.

Conventions
-----------
- T1, T2, T3 end in one SELECT of sums over all columns; T1-table, T2-table, T3-table in an Arrow table; T5 in files.
- Rejects of the reader have line and reason; rows that fail the SQL rules have a reason but no line number.
- One of each key stays, any of them: the charges are equal.
"""

from __future__ import annotations

import argparse

from benchmarks.peers.stopwatch import Stopwatch  # isort: skip  (starts the clock)

import duckdb

from benchmarks.totals import modulo_word

RECORD_TYPES = ("voice_mo", "voice_mt", "sms_mo", "sms_mt", "data")
HOSTS = ("CUCC", "CTCC", "CMCC")
FREQUENT_FIRST = ("data", "voice_mo", "sms_mt", "voice_mt", "sms_mo")
PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 1000)"
KEY = "record_type, msisdn, start_local, other_party, charging_id, seq"
OTHER_COLUMNS = ("record_id", "imsi", "duration_s", "volume_up", "volume_down", "city", "host", "apn")

# Rules that the reader cannot express.
VALID = """record_type IS NOT NULL AND host IS NOT NULL
 AND imsi BETWEEN 100000000000000 AND 999999999999999 AND msisdn BETWEEN 8600000000000 AND 8699999999999
 AND start_local IS NOT NULL AND duration_s IS NOT NULL AND seq IS NOT NULL AND charging_id IS NOT NULL
 AND volume_up IS NOT NULL AND volume_down IS NOT NULL AND ((record_type='data'::rt) = (other_party IS NULL))"""

# Every column reduced to one number: text to its bytes, an ENUM to its codes.
FOLD = {
    "count_other_party": "count(other_party)",
    "sum_start_us": "sum(epoch_us(start_utc))",
    "codes_record_type": "sum(enum_code(record_type))",
    "codes_host": "sum(enum_code(host))",
    "bytes_apn": "sum(strlen(apn))",
    "sum_record_id": "sum(record_id)",
    "sum_imsi": "sum(imsi)",
    "sum_msisdn": "sum(msisdn)",
    "sum_other_party": "sum(other_party)",
    "sum_duration": "sum(duration_s)",
    "sum_uplink": "sum(volume_up)",
    "sum_downlink": "sum(volume_down)",
    "sum_city": "sum(city)",
    "sum_sequence": "sum(seq)",
    "sum_charging_id": "sum(charging_id)",
}
RATED_FOLD = {
    **FOLD,
    **{f"sum_{column}": f"sum({column})" for column in ("zone", "band", "version", "wholesale", "retail")},
}
UTC = "start_local - INTERVAL 8 HOUR AS start_utc"

# Exact dedup: only the rows whose 64-bit hash occurs twice go through the wide GROUP BY.
FRESH = f"""(SELECT {KEY}, {", ".join(OTHER_COLUMNS)} FROM t1 ANTI JOIN dh USING (h) WHERE reason = 0 UNION ALL
 SELECT {KEY}, {", ".join(f"any_value({column}) AS {column}" for column in OTHER_COLUMNS)}
 FROM (SELECT * FROM t1 SEMI JOIN dh USING (h) WHERE reason = 0) GROUP BY {KEY})"""

# A number's first nine digits, zero padded, then min(digits, 9): an integer on which prefix ranges can be compared
# without ever matching a prefix longer than the number (arithmetic; rpad and casts to text were slower).
HEAD = " ".join(
    [
        "CASE",
        *(f"WHEN other_party < {10**n} THEN other_party * {10 ** (10 - n)} + {n}" for n in range(1, 9)),
        *(f"WHEN other_party < {10**n} THEN other_party // {10 ** (n - 9)} * 10 + 9" for n in range(9, 19)),
        "END",
    ]
)


def enumeration(column: str, type_name: str, values: tuple[str, ...]) -> str:
    """A text column as ENUM. ENUM columns in the reader, or TRY_CAST, abort on the non-UTF-8 bytes of a bad row."""
    cases = " ".join(f"WHEN '{value}' THEN '{value}'::{type_name}" for value in values)
    return f"CASE {column} {cases} END AS {column}"


def source(data: str) -> str:
    """The query that reads all files and marks each row with a reason, 0 where it is valid."""
    read = f"""read_csv('{data}/cdr_*.txt*', delim='|', header=false, quote='', escape='', auto_detect=false,
     new_line='\\n', store_rejects=true, rejects_limit=0, timestampformat='%Y%m%d%H%M%S+0800', nullstr='',
     strict_mode=true, columns={{'record_id':'UBIGINT','record_type':'VARCHAR','imsi':'BIGINT','msisdn':'BIGINT',
     'other_party':'BIGINT','start_local':'TIMESTAMP','duration_s':'UINTEGER','volume_up':'UBIGINT',
     'volume_down':'UBIGINT','city':'USMALLINT','host':'VARCHAR','apn':'VARCHAR','seq':'UINTEGER',
     'charging_id':'UBIGINT'}})"""
    typed = f"""SELECT * REPLACE ({enumeration("record_type", "rt", FREQUENT_FIRST)},
     {enumeration("host", "ho", HOSTS)}) FROM {read}"""
    return f"SELECT *, CASE WHEN {VALID} THEN 0 ELSE 1 END::UTINYINT AS reason FROM ({typed})"


def prefix_boundaries(rows: list[tuple[str, int]]) -> dict[int, int]:
    """Prefixes as disjoint ranges: boundary (start * 10 + length, 0 where a prefix ends) -> zone from there on."""
    zones = dict(rows)
    boundaries: dict[int, int] = {}
    ends: dict[int, str] = {}
    for prefix, zone in rows:
        width = 10 ** (9 - len(prefix))
        start = int(prefix) * width
        boundaries[start * 10 + len(prefix)] = zone
        ends[start + width] = min(ends.get(start + width, prefix), prefix, key=len)
    for end, prefix in ends.items():
        outer = prefix[:-1]
        while outer and not (outer in zones and (int(outer) + 1) * 10 ** (9 - len(outer)) > end):
            outer = outer[:-1]
        boundaries[end * 10] = zones.get(outer, 1) if outer else 1
    boundaries[0] = 1
    return boundaries


def create_references(connection: duckdb.DuckDBPyConnection, data: str) -> None:
    """Tables of tariffs and prices by one small integer, and each distinct head's zone."""
    columns = "columns={'prefix':'VARCHAR','zone':'INTEGER'}"
    rows = connection.execute(f"SELECT prefix, zone FROM read_csv('{data}/ref/prefixes.csv', {columns})").fetchall()
    boundaries = prefix_boundaries([(row[0], row[1]) for row in rows])
    connection.execute(
        "CREATE TABLE bnd AS SELECT unnest(?::BIGINT[]) AS b, unnest(?::INTEGER[]) AS zone",
        [list(boundaries), list(boundaries.values())],
    )
    connection.execute(f"""
     CREATE TABLE tariffs AS
      SELECT (((enum_code(record_type::rt)*20 + zone)*3 + band)*2 + version - 1)::INTEGER AS k,
       inc_first, price_first, inc_next, price_next FROM read_csv('{data}/ref/tariffs.csv');
     CREATE TABLE wholesale AS
      SELECT (enum_code(host::ho)*3 + CASE service WHEN 'voice' THEN 0 WHEN 'sms' THEN 1 ELSE 2 END)::INTEGER AS wk,
       price FROM read_csv('{data}/ref/wholesale.csv');
     CREATE TABLE lpm AS
      SELECT head, zone FROM (SELECT DISTINCT {HEAD} AS head FROM t1 WHERE record_type IN ('voice_mo','sms_mo'))
      ASOF JOIN bnd ON head >= b""")


def rating(rows: str) -> str:
    """The query that rates `rows`."""
    return f"""
     WITH q AS (SELECT *, CASE WHEN record_type IN ('voice_mo','sms_mo') THEN {HEAD} END AS head,
       CASE WHEN dayofweek(start_local) IN (0,6) THEN 2 WHEN hour(start_local) BETWEEN 8 AND 21 THEN 0
        ELSE 1 END AS band,
       CASE WHEN start_local >= TIMESTAMP '2026-06-16 00:00:00' THEN 2 ELSE 1 END AS version,
       enum_code(record_type)::INTEGER AS rc,
       CASE WHEN record_type='data' THEN (volume_up+volume_down)::BIGINT WHEN rc < 2 THEN duration_s::BIGINT
        ELSE 1 END AS qty
       FROM {rows}),
     z AS (SELECT q.*, coalesce(lpm.zone, 0) AS zone, ((rc*20 + coalesce(lpm.zone, 0))*3 + band)*2 + version - 1 AS k,
       enum_code(host)::INTEGER*3 + rc//2 AS wk FROM q LEFT JOIN lpm USING (head))
     SELECT record_id, record_type, imsi, msisdn, other_party, {UTC}, duration_s,
      volume_up, volume_down, city, host, apn, seq, charging_id, zone, band, version,
      CASE WHEN rc < 2 THEN (qty+59)//60 WHEN rc < 4 THEN 1 ELSE (qty+1023)//1024 END * w.price AS wholesale,
      CASE WHEN qty=0 THEN 0
       ELSE price_first + (greatest(qty-inc_first,0)+inc_next-1)//inc_next*price_next END AS retail
     FROM z JOIN tariffs t USING (k) JOIN wholesale w USING (wk)"""


class Run:
    """One task on one connection."""

    def __init__(self, data: str, out: str, threads: int):
        self.data, self.out = data, out
        self.watch = Stopwatch()
        self.results: dict[str, int] = {}
        self.connection = duckdb.connect()
        options = f"SET threads={threads}; SET preserve_insertion_order=false; SET enable_progress_bar=false"
        self.connection.execute(options)
        types = f"CREATE TYPE rt AS ENUM ({str(RECORD_TYPES)[1:-1]}); CREATE TYPE ho AS ENUM ({str(HOSTS)[1:-1]})"
        self.connection.execute(types)

    def first(self, query: str) -> tuple:
        """The first row of a query."""
        return self.connection.execute(query).fetchall()[0]

    def fold(self, rows: str, sums: dict[str, str]) -> int:
        """Sums over all columns of `rows`; returns how many rows there were."""
        count, *found = self.first(f"SELECT count(*), {', '.join(sums.values())} FROM {rows}")
        self.watch.mark("fold")
        self.results.update(modulo_word(dict(zip(sums, found, strict=True))))
        return count

    def parse_folded(self) -> None:
        """T1: one streaming aggregate."""
        sums = ", ".join(FOLD.values())
        query = f"SELECT reason, count(*), {sums} FROM (SELECT *, {UTC} FROM ({source(self.data)})) GROUP BY reason"
        groups = {reason: found for reason, *found in self.connection.execute(query).fetchall()}
        self.watch.mark("read_validate_fold")
        valid, *found = groups.get(0, [0] * (1 + len(FOLD)))
        self.results.update(valid=valid, rejects_rules=groups.get(1, [0])[0])
        self.results.update(modulo_word(dict(zip(FOLD, found, strict=True))))

    def parse(self) -> None:
        """T1-table: straight into Arrow; con.sql streams without DuckDB's extra copy."""
        query = f"SELECT *, {UTC} FROM ({source(self.data)})"
        table = self.connection.sql(query).to_arrow_table()
        self.watch.mark("read_validate_to_arrow")
        import pyarrow.compute as pc

        bad = int(pc.sum(table["reason"]).as_py())
        self.results.update(valid=table.num_rows - bad, rejects_rules=bad)

    def load(self, keep_rejects: bool) -> None:
        """Parse into a table, and find the hashes that occur twice."""
        self.connection.execute(f"CREATE TABLE t1 AS SELECT *, hash({KEY}) AS h FROM ({source(self.data)})")
        self.watch.mark("read_validate")
        self.results["valid"] = self.first("SELECT count(*) FROM t1 WHERE reason = 0")[0]
        self.results["rejects_rules"] = self.first("SELECT count(*) FROM t1 WHERE reason > 0")[0]
        if keep_rejects:
            target = f"{self.out}/rejects_rules.parquet"
            self.connection.execute(f"COPY (SELECT * FROM t1 WHERE reason > 0) TO '{target}'")
        self.connection.execute("CREATE TABLE dh AS SELECT h FROM t1 WHERE reason = 0 GROUP BY h HAVING count(*) > 1")
        self.watch.mark("dedup")

    def deduplicate_folded(self) -> None:
        """T2."""
        self.results["accepted"] = self.fold(f"(SELECT *, {UTC} FROM {FRESH})", FOLD)

    def deduplicate(self) -> None:
        """T2-table."""
        table = self.connection.sql(f"FROM {FRESH}").to_arrow_table()
        self.watch.mark("to_arrow")
        self.results["accepted"] = table.num_rows

    def rate_folded(self) -> None:
        """T3."""
        create_references(self.connection, self.data)
        self.watch.mark("refs_lpm")
        self.results["accepted"] = self.fold(f"({rating(FRESH)})", RATED_FOLD)

    def rate(self) -> None:
        """T3-table."""
        create_references(self.connection, self.data)
        self.watch.mark("refs_lpm")
        table = self.connection.sql(rating(FRESH)).to_arrow_table()
        self.watch.mark("rate_to_arrow")
        import pyarrow.compute as pc

        self.results.update(
            accepted=table.num_rows,
            sum_wholesale=int(pc.sum(table["wholesale"]).as_py()),
            sum_retail=int(pc.sum(table["retail"]).as_py()),
        )

    def publish(self) -> None:
        """T5: Parquet and both aggregates."""
        execute, out = self.connection.execute, self.out
        create_references(self.connection, self.data)
        self.watch.mark("refs_lpm")
        execute(f"CREATE TABLE rated AS {rating(FRESH)}")
        self.watch.mark("rate")
        execute("DROP TABLE t1")
        execute(f"COPY rated TO '{out}/rated.parquet' {PARQUET}")
        self.watch.mark("parquet")
        execute("""CREATE TABLE ad AS SELECT msisdn, (start_utc + INTERVAL 8 HOUR)::DATE AS day, count(*) n,
         sum(retail)::BIGINT retail FROM rated GROUP BY ALL""")
        execute(f"COPY ad TO '{out}/account_day.parquet' {PARQUET}")
        execute(f"""COPY (SELECT host, split_part(record_type,'_',1) service, sum(n)::BIGINT n, sum(w)::BIGINT wholesale
         FROM (SELECT host, record_type, count(*) n, sum(wholesale) w FROM rated GROUP BY ALL) GROUP BY ALL)
         TO '{out}/settlement.csv'""")
        self.watch.mark("aggregate")
        totals = self.first("SELECT sum(wholesale)::HUGEINT, sum(retail)::HUGEINT, count(*) FROM rated")
        self.results.update(sum_wholesale=int(totals[0]), sum_retail=int(totals[1]), accepted=totals[2])
        self.results["account_days"] = self.first("SELECT count(*) FROM ad")[0]

    def finish(self, keep_rejects: bool) -> None:
        """Count the reader's rejects; one line may have several errors."""
        if keep_rejects:
            self.connection.execute(f"COPY (SELECT * FROM reject_errors) TO '{self.out}/rejects.parquet'")
        count = "SELECT count(*) FROM (SELECT DISTINCT file_id, line FROM reject_errors)"
        self.results["rejects_reader"] = self.first(count)[0]
        self.watch.mark("rejects")
        self.results["rejects"] = self.results["rejects_reader"] + self.results["rejects_rules"]
        if "accepted" in self.results:
            self.results["duplicates"] = self.results["valid"] - self.results["accepted"]


LOADED = {
    "T2": Run.deduplicate_folded,
    "T3": Run.rate_folded,
    "T2-table": Run.deduplicate,
    "T3-table": Run.rate,
    "T5": Run.publish,
}
PARSED = {"T1": Run.parse_folded, "T1-table": Run.parse}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--task", required=True, choices=[*PARSED, *LOADED])
    parser.add_argument("--out", default=".")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    run = Run(arguments.data, arguments.out, arguments.threads)
    whole = arguments.task == "T5"
    if arguments.task in PARSED:
        PARSED[arguments.task](run)
    else:
        run.load(keep_rejects=whole)
        LOADED[arguments.task](run)
    run.finish(keep_rejects=whole)
    run.watch.report(f"duckdb {duckdb.__version__}", arguments.task, run.results)


if __name__ == "__main__":
    main()
