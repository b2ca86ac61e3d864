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
import itertools
import multiprocessing
import shutil
import threading
import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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
from mediation.sample.render import Buffer, control_sums, controls, envelope, render, splice
from mediation.sample.truth import RATED, RECORD, REJECTED, SUSPENDED, TruthWriter, Written, resolve

FOLDERS = ("in", "reference", "truth")
MALFORMED_EVERY = 500
FIRST_YEAR, LAST_YEAR, MOST_FILES = 1990, 2100, 10_000
LATER_CODES = ["unknown_number", "number_not_owned", "unknown_destination"]


Sums = Counter[str]  # of columns, in the units of their control sums


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
        self.spoils = {control.column: self._spoils(control.column) for control in controls(self.layout)}
        self.fits = np.array(
            [[not way.record_types or name in way.record_types for name in types] for way in self.kinds]
        )
        self.can_conflict = np.array([self._can_conflict(record_type) for record_type in types])

    def _spoils(self, column: str) -> np.ndarray:
        """Which kinds leave nothing of a column that could be added up."""
        return np.array([":" not in way.name or way.name.endswith(f":{column}") for way in self.kinds])

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
        base["kind"] = self._malformed(rng, base["type"])
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

    def _malformed(self, rng: np.random.Generator, types: np.ndarray) -> np.ndarray:
        """The kind of each record, -1 for the sound ones.

        A kind that needs another record type gives way to the first kind, which needs none.
        """
        kind = np.full(len(types), -1, np.int16)
        rows = np.flatnonzero(rng.random(len(types), np.float32) < 1 / MALFORMED_EVERY)
        drawn = rng.integers(0, len(self.kinds), len(rows), np.int16)
        kind[rows] = np.where(self.fits[drawn, types[rows]], drawn, 0)
        return kind

    def fates(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Fate and code of each record, duplicates apart."""
        codes = {name: place for place, name in enumerate(self.setting.codes)}
        k, start = columns["k"], columns["start"]
        code = np.full(len(k), -1, np.int8)
        lost = np.flatnonzero(columns["lost"])
        types, product = columns["type"][lost], self.population.product_at(k[lost], start[lost])
        by_host = np.array(self.carriage.suspended_by_host)[types]
        by_product = np.array(self.carriage.suspended_by_product)[product, types]
        code[lost[by_host | by_product]] = codes["unknown_destination"]
        code[self.population.unowned(k, start)] = codes["number_not_owned"]
        code[k >= self.population.count] = codes["unknown_number"]
        fate = np.where(code >= 0, np.int8(SUSPENDED), np.int8(RATED))
        spoiled = np.flatnonzero(columns["kind"] >= 0)
        places = np.array([codes[way.code] for way in self.kinds], np.int8)
        fate[spoiled], code[spoiled] = REJECTED, places[columns["kind"][spoiled]]
        return fate, code

    def text(self, columns: Columns) -> tuple[list[Buffer], np.ndarray, Sums]:
        """The piece's bytes in parts, where its records begin, and its control sums."""
        cells = self.writer.cells(columns)
        text, offsets = render(self.layout, cells)
        spoiled = np.flatnonzero(columns["kind"] >= 0)
        kind, replaced = columns["kind"][spoiled], {}
        for record, way in zip(spoiled.tolist(), kind.tolist(), strict=True):
            replaced[record] = self.kinds[way].change(bytes(text[offsets[record] : offsets[record + 1]]))
        unreadable = {column: spoiled[spoils[kind]] for column, spoils in self.spoils.items()}
        return *splice(text, offsets, replaced), control_sums(self.layout, cells, unreadable)


def _repeated(columns: Columns) -> Columns:
    """Events that other deliveries exist of; none of them is malformed."""
    count = len(columns["k"])
    return {**columns, "kind": np.full(count, -1, np.int16), "alone": np.zeros(count, bool)}


def population(setting: Setting, host: str) -> Population:
    """The subscribers of a host."""
    rank, products = sorted(setting.declared.hosts).index(host), list(setting.declared.products)
    count, begin_s, end_s = setting.subscribers, setting.begin_s, setting.end_s
    return Population(host, rank, count, products, begin_s, end_s, setting.seed)


def packer(compression: str) -> Callable[[list[Buffer]], list[Buffer]]:
    """What makes a text, in parts, a whole member of the file."""
    if compression == "gzip":
        from isal import isal_zlib

        def pack(parts: list[Buffer]) -> list[Buffer]:
            member = isal_zlib.compressobj(1, wbits=31)
            return [*map(member.compress, parts), member.flush()]

        return pack
    if compression == "zstd":
        import zstandard

        return lambda parts: [zstandard.ZstdCompressor(level=1).compress(b"".join(parts))]
    return lambda parts: parts


_setting: list[Setting] = []
_makers: dict[str, FeedMaker] = {}


def _start_worker(setting: Setting) -> None:
    """Make ready what every file needs; a forked worker has it already."""
    if _setting and _setting[0] is setting:
        return
    _setting[:] = [setting]
    _makers.clear()
    _makers.update((name, FeedMaker(setting, name)) for name in {source.feed for source in setting.sources})


def _pieces(number: int) -> Iterator[tuple[Columns, list[Buffer], np.ndarray, Sums]]:
    """The pieces of a file: events, bytes in parts, where the records begin, control sums."""
    setting = _setting[0]
    source, maker = setting.sources[number], _makers[setting.sources[number].feed]
    givers = {piece.number: piece for other in setting.sources if other.feed == source.feed for piece in other.pieces}
    first = number * 100_000_000
    for piece in source.pieces:
        columns = maker.piece(piece, givers, source.repeated)
        columns["delivery"] = first + np.arange(piece.records)
        yield columns, *maker.text(columns)
        first += piece.records


def _write_source(number: int) -> Written:
    """Write one file; what is expected of its records is kept in the truth's folder."""
    setting = _setting[0]
    source, maker = setting.sources[number], _makers[setting.sources[number].feed]
    pack, target, layout = packer(maker.feed.compression), setting.out / "in" / source.name, maker.layout
    says = f"{source.date:%Y%m%d}", source.sequence, source.records + source.refused
    sums: Sums = Counter()
    if layout.header is not None and layout.header.sums:  # known when all is written: then the file is made twice
        sums = sum((piece_sums for *_, piece_sums in _pieces(number)), sums)
    head = envelope(layout, layout.header, *says, sums)
    records, deliveries, size, before, sums = np.empty(source.records, RECORD), [], 0, 0, Counter()
    with open(target, "wb") as file:
        file.writelines(pack([head]) if head else ())
        for columns, parts, offsets, piece_sums in _pieces(number):
            file.writelines(pack(parts))
            size += int(offsets[-1])
            sums.update(piece_sums)
            kept = records[before : before + len(columns["kind"])]
            kept["length"], kept["kind"] = np.diff(offsets), columns["kind"]
            kept["fate"], kept["code"] = maker.fates(columns)
            others = np.flatnonzero(~columns["alone"] & (columns["kind"] < 0))
            deliveries.append((before + others, columns["event_no"][others], columns["variant"][others]))
            before += len(kept)
        tail = envelope(layout, layout.trailer, *says, sums)
        file.writelines(pack([tail]) if tail else ())
    if not source.refused:
        np.save(aside(setting, number), records)
    delivered = (np.concatenate(column) for column in zip(*deliveries, strict=True))
    return Written(len(head), size, len(tail), target.stat().st_size, *delivered)


def aside(setting: Setting, number: int) -> Path:
    """Where a file's records of dtype `RECORD` are kept until its feed is settled."""
    return setting.out / "truth" / f"records-{number}.npy"


def _settle_truth(setting: Setting, results: Iterable[Written]) -> dict:
    """Decide the duplicates, feed by feed, and write the truth; the results come in source order."""
    sources, refused = setting.sources, {}
    names = {feed: [way.name for way in _makers[feed].kinds] for feed in _makers}
    kinds = sorted({kind for own in names.values() for kind in own})
    truth = TruthWriter(setting.out / "truth", [source.name for source in sources], setting.codes, kinds)
    numbered = zip(range(len(sources)), sources, results, strict=True)
    for feed, group in itertools.groupby(numbered, lambda entry: entry[1].feed):
        places = np.array([kinds.index(kind) for kind in names[feed]], np.int32)
        delivered, written = [], {}
        for number, source, found in group:
            if source.refused:
                size = found.header_bytes + found.record_bytes + found.trailer_bytes
                said = {"code": "record_count_mismatch", "bytes": size, "file_bytes": found.file_bytes}
                refused[source.name] = said
            else:
                delivered.append((np.full(len(found.event), number), found.record, found.event, found.variant))
                written[number] = found
        repeats = resolve(len(sources), *(np.concatenate(column) for column in zip(*delivered, strict=True)))
        for number, found in written.items():
            truth.add(number, feed, found, np.load(aside(setting, number)), repeats[number], places)
            aside(setting, number).unlink()
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
    finally:
        _setting.clear()
        _makers.clear()


def _write_all(setting: Setting, processes: int) -> dict:
    for folder in FOLDERS:
        (setting.out / folder).mkdir(parents=True)
    _start_worker(setting)
    everybody = [population(setting, host) for host in sorted(setting.declared.hosts)]
    numbers = range(len(setting.sources))
    if processes == 1:
        write_subscriptions(setting.out / "reference" / "subscriptions.csv", everybody)
        return _settle_truth(setting, map(_write_source, numbers))
    # A fork has all that is loaded and made; beside other threads it could inherit a lock that nobody gives back.
    context = multiprocessing.get_context("fork" if threading.active_count() == 1 else "spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (setting,)) as executor:
        order = sorted(numbers, key=lambda number: (setting.sources[number].feed, -setting.sources[number].records))
        running = {number: executor.submit(_write_source, number) for number in order}
        try:
            write_subscriptions(setting.out / "reference" / "subscriptions.csv", everybody)
            return _settle_truth(setting, (running[number].result() for number in numbers))
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


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
