"""Raw files of every feed of a rule book, their reference data, and the truth beside them.

    out/in/*            the files
    out/reference/      subscriptions.csv
    out/truth/          fates.parquet: every record's fate; expected.json: totals

Conventions
-----------
- Deterministic in (rule book, records, seed, date, days, files, subscribers, faults), whatever the number of processes.
- The layouts are the rule book's own, so that the files and the book cannot drift apart.
- The folders are there whole or not at all.
- Memory is a few pieces per process and the fates of one file. A fate is known before anything is decoded; the money is
  not in the truth: it is what the rating is tested for.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import multiprocessing
import shutil
import zoneinfo
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mediation import errors
from mediation.rulebook.model import Declarations
from mediation.sample import market, plan, spoil
from mediation.sample.columns import VARIES, Writer
from mediation.sample.events import Columns, Traffic, join, ordinary, select, specials
from mediation.sample.population import Population, scramble, write_subscriptions
from mediation.sample.render import control_sums, envelope, render, splice
from mediation.sample.truth import RATED, RECORD, REJECTED, SUSPENDED, TruthWriter, Written, resolve

FOLDERS = ("in", "reference", "truth")
MALFORMED_EVERY = 500
FIRST_YEAR, LAST_YEAR, MOST_FILES = 1990, 2100, 10_000
LATER_CODES = ["unknown_number", "number_not_owned", "unknown_destination"]


class Setting(NamedTuple):
    """What every worker needs to make any file."""

    declared: Declarations
    out: Path
    seed: int
    begin_s: int
    end_s: int
    subscribers: int  # per host
    codes: list[str]
    sources: list[plan.Source]


class FeedMaker:
    """Makes the pieces of one feed."""

    def __init__(self, setting: Setting, name: str):
        declared = setting.declared
        self.feed, self.name, self.setting = declared.feeds[name], name, setting
        self.rank = sorted(declared.feeds).index(name)
        self.layout = self.feed.layout[-1]
        self.carriage = market.carriage(declared, name)
        self.population = population(setting, self.carriage.host)
        types = self.carriage.record_types
        self.traffic = Traffic(setting.seed, self.rank, types, self.population, market.destinations(declared))
        rules = declared.book.numbers.get(self.feed.numbers) if self.feed.numbers else None
        self.writer = Writer(
            self.feed, self.layout, declared.book.zone, rules, types, self.population, self.carriage.host
        )
        self.kinds = spoil.kinds(self.layout)
        self.can_conflict = np.array([self._can_conflict(record_type) for record_type in types])

    def _can_conflict(self, record_type: str) -> bool:
        """Whether an event can be told differently under the same key."""
        becoming = {derive.becomes for derive in self.feed.derive if record_type in derive.record_type}
        owns = [self.feed.dedup.by_record_type.get(name) for name in (record_type, *sorted(becoming))]
        keys = [own if own is not None and own.key is not None else self.feed.dedup for own in owns]
        if any(key.key is None for key in keys):
            return False
        beside = {column for key in keys for column in (*key.key, *key.not_payload)}
        fields = {field.column for field in self.layout.field if field.type in ("integer", "digits", "decimal")}
        natural = ("duration_s",) if record_type.startswith("voice") else ()
        natural += ("uplink_bytes",) if record_type == "data" else ()
        changed = {"host_charge_amount", *natural} & set(VARIES) & fields
        return bool(changed - beside)

    def piece(self, piece: plan.Piece, all_pieces: dict[int, plan.Piece], spread: bool) -> Columns:
        """The events of a piece, as they come in its file, with what is expected of each.

        Parameters
        ----------
        piece : Piece
        all_pieces : dict
            By number: those that hand something over.
        spread : bool
            Another file has the same records: every record is a delivery of an event that comes again.
        """
        rng = np.random.default_rng([self.setting.seed, self.rank, piece.number, 2])
        own = specials(self.traffic, piece.number, piece.specials, (piece.first_s, piece.seconds))
        late = piece.specials // 3
        received = [self._received(all_pieces[given.piece], given.share) for given in piece.receives]
        copies = piece.records // plan.COPIES_EVERY
        kept = piece.specials - late
        count = piece.records - kept - copies - sum(len(part["k"]) for part in received)
        base = ordinary(self.traffic, piece.number, count, (piece.first_s, piece.seconds), own)
        malformed = rng.random(count) < 1 / MALFORMED_EVERY
        kind = np.where(malformed, rng.integers(0, len(self.kinds), count), -1).astype(np.int16)
        base["kind"] = self._fitting(kind, base["type"])
        copied = rng.choice(np.flatnonzero(base["kind"] < 0), copies, replace=False)
        again = select(base, copied)
        again["variant"] = self._varied(again)
        base["alone"] = np.ones(count, bool)
        base["alone"][copied] = False
        parts = [base, _repeated(again), _repeated(select(own, np.arange(late, piece.specials)))]
        columns = join(parts + [_repeated(part) for part in received])
        if spread:
            columns["alone"][:] = False
        return select(columns, rng.permutation(piece.records))

    def _received(self, giver: plan.Piece, share: str) -> Columns:
        """What another piece hands over: late events as they are, repeated ones sometimes told differently."""
        columns = specials(self.traffic, giver.number, giver.specials, (giver.first_s, giver.seconds))
        late = giver.specials // 3
        place = np.arange(giver.specials)
        wanted = {
            plan.EVERYTHING: place >= 0,
            plan.LATE: place < late,
            plan.EVEN: (place >= late) & (place % 2 == 0),
            plan.ODD: (place >= late) & (place % 2 == 1),
        }[share]
        columns["variant"] = np.where(place >= late, self._varied(columns), 0).astype(np.int8)
        return select(columns, np.flatnonzero(wanted))

    def _varied(self, columns: Columns) -> np.ndarray:
        """Every fourth repeat tells its event differently, where it can."""
        chosen = scramble(columns["event_no"], 17) % 4 == 0
        return (chosen & self.can_conflict[columns["type"]]).astype(np.int8)

    def _fitting(self, kind: np.ndarray, types: np.ndarray) -> np.ndarray:
        """A kind that needs another record type gives way to the first kind that needs none."""
        names = self.carriage.record_types
        fits = np.array([[not way.record_types or name in way.record_types for name in names] for way in self.kinds])
        good = fits[kind, types] | (kind < 0)
        return np.where(good, kind, 0).astype(np.int16)

    def fates(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Fate and code of each record, duplicates apart."""
        codes = {name: place for place, name in enumerate(self.setting.codes)}
        k, start, types = columns["k"], columns["start"], columns["type"]
        by_host = np.array(self.carriage.suspended_by_host)[types]
        by_product = np.array(self.carriage.suspended_by_product)[self.population.product_at(k, start), types]
        code = np.full(len(k), -1, np.int8)
        code[columns["lost"] & (by_host | by_product)] = codes["unknown_destination"]
        code[self.population.unowned(k, start)] = codes["number_not_owned"]
        code[k >= self.population.count] = codes["unknown_number"]
        fate = np.where(code >= 0, SUSPENDED, RATED).astype(np.int8)
        spoiled = columns["kind"] >= 0
        places = np.array([codes[way.code] for way in self.kinds], np.int8)
        fate[spoiled], code[spoiled] = REJECTED, places[columns["kind"][spoiled]]
        return fate, code

    def text(self, columns: Columns) -> tuple[bytes, np.ndarray, dict[str, int]]:
        """The piece's bytes, where its records begin, and its control sums."""
        cells = self.writer.cells(columns)
        text, offsets = render(self.layout, cells)
        replaced = {}
        for record in np.flatnonzero(columns["kind"] >= 0):
            line = bytes(text[offsets[record] : offsets[record + 1]])
            replaced[int(record)] = self.kinds[columns["kind"][record]].change(line)
        raw, offsets = splice(text, offsets, replaced)
        return raw, offsets, control_sums(self.layout, cells, self._summed(columns["kind"]))

    def _summed(self, kind: np.ndarray) -> dict[str, np.ndarray]:
        """Which records count in the control sum of each column: those whose value can be read, rejected or not."""
        found = {}
        for field in self.layout.field:
            spoils = np.array([":" not in way.name or way.name.endswith(f":{field.column}") for way in self.kinds])
            found[field.column or ""] = (kind < 0) | ~spoils[kind]
        return found


def _repeated(columns: Columns) -> Columns:
    """Events that other deliveries exist of; none of them is malformed."""
    count = len(columns["k"])
    return {**columns, "kind": np.full(count, -1, np.int16), "alone": np.zeros(count, bool)}


def population(setting: Setting, host: str) -> Population:
    """The subscribers of a host."""
    rank, products = sorted(setting.declared.hosts).index(host), list(setting.declared.products)
    count, begin_s, end_s = setting.subscribers, setting.begin_s, setting.end_s
    return Population(host, rank, count, products, begin_s, end_s, setting.seed)


def packer(compression: str) -> Callable[[bytes], bytes]:
    """What makes a text a whole member of the file; nothing becomes nothing."""
    if compression == "gzip":
        from isal import isal_zlib

        def pack(text: bytes) -> bytes:
            member = isal_zlib.compressobj(1, wbits=31)
            return member.compress(text) + member.flush() if text else b""

        return pack
    if compression == "zstd":
        import zstandard

        return lambda text: zstandard.ZstdCompressor(level=1).compress(text) if text else b""
    return lambda text: text


_makers: dict[str, FeedMaker] = {}
_setting: list[Setting] = []


def _start_worker(setting: Setting) -> None:
    _setting[:] = [setting]
    _makers.clear()


def _write_source(number: int) -> Written:
    """Write one file; what is expected of its records is kept in the truth's folder."""
    setting = _setting[0]
    source = setting.sources[number]
    if source.feed not in _makers:
        _makers[source.feed] = FeedMaker(setting, source.feed)
    maker = _makers[source.feed]
    givers = {piece.number: piece for other in setting.sources if other.feed == source.feed for piece in other.pieces}
    pack = packer(maker.feed.compression)
    target, body = setting.out / "in" / source.name, setting.out / "truth" / f"body-{number}"
    sums: dict[str, int] = {}
    records, deliveries, size = [], [], 0
    with open(body, "wb") as spool:
        for piece in source.pieces:
            before = sum(map(len, records))
            columns = maker.piece(piece, givers, source.repeated)
            columns["delivery"] = number * 100_000_000 + before + np.arange(piece.records)
            raw, offsets, piece_sums = maker.text(columns)
            spool.write(pack(raw))
            size += len(raw)
            sums = {name: sums.get(name, 0) + total for name, total in piece_sums.items()}
            kept = np.empty(piece.records, RECORD)
            kept["length"], kept["kind"] = np.diff(offsets), columns["kind"]
            kept["fate"], kept["code"] = maker.fates(columns)
            records.append(kept)
            others = np.flatnonzero(~columns["alone"] & (columns["kind"] < 0))
            deliveries.append((before + others, columns["event_no"][others], columns["variant"][others]))
    np.save(setting.out / "truth" / f"records-{number}.npy", np.concatenate(records))
    said, date = sum(map(len, records)) + source.refused, f"{source.date:%Y%m%d}"
    head, tail = (
        envelope(maker.layout, part, date, source.sequence, said, sums)
        for part in (maker.layout.header, maker.layout.trailer)
    )
    with open(target, "wb") as file, open(body, "rb") as spool:
        file.write(pack(head))
        shutil.copyfileobj(spool, file, 1 << 20)
        file.write(pack(tail))
    body.unlink()
    delivered = (np.concatenate(column) for column in zip(*deliveries, strict=True))
    return Written(len(head), size, len(tail), target.stat().st_size, *delivered)


def _settle_truth(setting: Setting, results: list[Written]) -> dict:
    """Decide the duplicates over all files and write the truth."""
    folder, feeds = setting.out / "truth", setting.declared.feeds
    rank = {name: place for place, name in enumerate(sorted(feeds))}
    deliveries, refused = [], {}
    for number, (source, written) in enumerate(zip(setting.sources, results, strict=True)):
        if source.refused:
            size = written.header_bytes + written.record_bytes + written.trailer_bytes
            said = {"code": "record_count_mismatch", "bytes": size, "file_bytes": written.file_bytes}
            refused[source.name] = said
        else:
            event = written.event * len(feeds) + rank[source.feed]
            deliveries.append((np.full(len(event), number), written.record, event, written.variant))
    repeats = resolve(len(results), *(np.concatenate(column) for column in zip(*deliveries, strict=True)))
    names = {name: [way.name for way in spoil.kinds(feed.layout[-1])] for name, feed in feeds.items()}
    kinds = sorted({kind for own in names.values() for kind in own})
    places = {name: np.array([kinds.index(kind) for kind in own], np.int32) for name, own in names.items()}
    truth = TruthWriter(folder, [source.name for source in setting.sources], setting.codes, kinds)
    for number, (source, written) in enumerate(zip(setting.sources, results, strict=True)):
        path = folder / f"records-{number}.npy"
        if not source.refused:
            truth.add(number, source.feed, written, np.load(path), repeats[number], places[source.feed])
        path.unlink()
    return truth.finish(refused)


def generate(
    out: str | Path,
    *,
    records: int,
    seed: int = 1,
    date: dt.date = dt.date(2026, 6, 1),
    days: int = 1,
    files: int = 4,
    subscribers: int | None = None,
    feeds: list[str] | None = None,
    rulebook: str | Path | None = None,
    faults: bool = False,
    processes: int = 2,
) -> dict:
    """Write raw files, reference data and the truth.

    Parameters
    ----------
    out : str or Path
        A folder to make; it must not exist, or be empty.
    records : int
        In all files together (that of a refused file not counted).
    seed, date, days : int, date, int
        The first day and how many; what came late stands in files of the day after.
    files : int
        Ordinary files per feed and day.
    subscribers : int, optional
        Per host; default a thirtieth of the records, between 1,000 and 1,000,000.
    feeds : list of str, optional
        Of these feeds only.
    rulebook : path, optional
        Default: the example book.
    faults : bool
        Add a file per feed whose record count is wrong, which must be refused.
    processes : int
        The output does not depend on it.

    Returns
    -------
    dict
        What truth/expected.json holds.

    Raises
    ------
    UsageError
        A feed that the rule book does not have, or too few records.
    OutputError
        `out` is not empty. Whatever fails, nothing is left behind.
    """
    setting = _setting_of(Path(out), records, seed, date, days, files, subscribers, feeds, rulebook, faults)
    if setting.out.exists() and any(setting.out.iterdir()):
        raise errors.OutputError(f"{out} exists: choose another folder, or move it away")
    try:
        return _write_all(setting, processes)
    except BaseException:
        for folder in FOLDERS:
            shutil.rmtree(setting.out / folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # something else is in it
            setting.out.rmdir()
        raise


def _write_all(setting: Setting, processes: int) -> dict:
    for folder in FOLDERS:
        (setting.out / folder).mkdir(parents=True)
    everybody = [population(setting, host) for host in sorted(setting.declared.hosts)]
    write_subscriptions(setting.out / "reference" / "subscriptions.csv", everybody)
    numbers = range(len(setting.sources))
    largest_first = sorted(numbers, key=lambda number: -sum(p.records for p in setting.sources[number].pieces))
    if processes == 1:
        _start_worker(setting)
        results = dict(zip(largest_first, map(_write_source, largest_first), strict=True))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _start_worker, (setting,)) as executor:
            results = dict(zip(largest_first, executor.map(_write_source, largest_first), strict=True))
    return _settle_truth(setting, [results[number] for number in numbers])


def _setting_of(out, records, seed, date, days, files, subscribers, feeds, rulebook, faults) -> Setting:
    from mediation.rulebook import load_rulebook

    declared = load_rulebook(rulebook or Path(__file__).parent / "rulebook").declared
    names = sorted(set(feeds or declared.feeds))
    strange = [name for name in names if name not in declared.feeds]
    if strange:
        raise errors.UsageError(f"no feed {', '.join(strange)}; there are: {', '.join(sorted(declared.feeds))}")
    if records < 2_000 * len(names):
        raise errors.UsageError(f"records: at least 2000 for each of {len(names)} feeds")
    if not FIRST_YEAR <= date.year <= LAST_YEAR or not 1 <= days * files <= MOST_FILES:
        raise errors.UsageError(f"years {FIRST_YEAR} to {LAST_YEAR}, and at most {MOST_FILES} files for each feed")
    shares = [market.carriage(declared, name).share for name in names]
    sizes = [int(records * share / sum(shares)) for share in shares]
    sizes[-1] = records - sum(sizes[:-1])
    zone = zoneinfo.ZoneInfo(declared.book.zone)
    begin_s = int(dt.datetime.combine(date, dt.time(), zone).timestamp())
    sources: list[plan.Source] = []
    for name, size in zip(names, sizes, strict=True):
        sources += plan.plan_feed(name, declared.feeds[name], size, date, days, files, begin_s, faults)
    sources.sort(key=lambda source: source.order)
    rejecting = {way.code for name in names for way in spoil.kinds(declared.feeds[name].layout[-1])}
    codes = [*(code for code in errors.EXPLANATIONS if code in rejecting), *LATER_CODES]
    count = subscribers or min(max(records // 30, 1_000), 1_000_000)
    return Setting(declared, out, seed, begin_s, begin_s + days * 86_400, count, codes, sources)
