"""The certificate: every record, item and byte of a run, and where it went.

Conventions
-----------
- Per source and in total: records_in + held_before + recycled = rated + rejected + suspended + duplicates + merged +
  filtered + written_off + held_after, in records, items and bytes of the decompressed stream.
- Every byte belongs to one class: header, record, trailer, filler or undecodable.
- What comes out is counted on the tables that are handed on, what goes in by the decoder and the source: the two sides
  are never computed from each other.
- A refused file stands outside, listed with hash, bytes and code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mediation.errors import InvariantError

if TYPE_CHECKING:
    import pyarrow as pa

INTO = ("records_in", "held_before", "recycled")
OUT_OF = ("rated", "rejected", "suspended", "duplicates", "merged", "filtered", "written_off", "held_after")
CLASSES = ("header", "record", "trailer", "filler", "undecodable")
MEASURES = ("records", "items", "bytes")
HANDED_ON = ("rated", "held_after")  # what leaves the last stage
STAGES = {"decode": "rejected", "deduplicate": "duplicates", "rate": "suspended"}  # and what each sets aside


def stages_through(last: str) -> list[str]:
    """The stages up to the last one that a run goes through."""
    return list(STAGES)[: list(STAGES).index(last) + 1]


class SourceAudit:
    """The counts of one source.

    Parameters
    ----------
    stages : sequence of str
        Those of `STAGES`, one after the other, that its records go through.

    Attributes
    ----------
    counts : dict of str to list of int
        Each of `INTO` and `OUT_OF`: records, items, bytes.
    classes : dict of str to int
        Bytes of each of `CLASSES`.
    unknown_elements : int
        Of BER records: those that the layout does not know, passed over.
    closure : str or None
        Why the file was closed, by its own header.
    lost_records : int or None
        How many records its header says were lost before it was written, at least.
    code : str or None
        Why the file was refused.
    """

    def __init__(
        self, source_id: int, name: str, feed: str | None, file_bytes: int = 0, stages: Sequence[str] = tuple(STAGES)
    ):
        self.source_id, self.name, self.feed = source_id, name, feed
        self.stages = list(stages)
        self.counts = {name: [0, 0, 0] for name in (*INTO, *OUT_OF)}
        self.classes = dict.fromkeys(CLASSES, 0)
        self.stages_in: dict[str, list[int]] = {stage: [0, 0, 0] for stage in self.stages}
        self.too_old = [0, 0, 0]  # of the suspended: those that deduplication has set aside
        self.bytes_in = 0
        self.file_bytes = file_bytes
        self.content_hash: str | None = None
        self.compression: str | None = None
        self.code: str | None = None
        self.detail = ""
        self.sum_verified: bool | None = None  # False: records that could not be read left a declared sum open
        self.conflicts = 0
        self.unknown_elements = 0
        self.closure: str | None = None
        self.lost_records: int | None = None

    def add(self, name: str, amount: tuple[int, int, int]) -> None:
        """Count (records, items, bytes) under a name of `INTO` or `OUT_OF`."""
        self.counts[name] = [old + new for old, new in zip(self.counts[name], amount, strict=True)]

    def set_too_old_aside(self, amount: tuple[int, int, int]) -> None:
        """Count what deduplication has suspended."""
        self.add("suspended", amount)
        self.too_old = [old + new for old, new in zip(self.too_old, amount, strict=True)]

    def enter(self, stage: str, amount: tuple[int, int, int]) -> None:
        """Count what a stage was given."""
        self.stages_in[stage] = [old + new for old, new in zip(self.stages_in[stage], amount, strict=True)]

    def refuse(self, code: str, detail: str) -> None:
        """Take the whole file out: nothing of it was handed on."""
        self.code, self.detail = code, detail
        self.counts = {name: [0, 0, 0] for name in self.counts}
        self.stages_in = {stage: [0, 0, 0] for stage in self.stages}
        self.classes = dict.fromkeys(CLASSES, 0)
        self.unknown_elements = 0

    def faults(self) -> list[str]:
        """Every equation that does not hold; none for a refused file."""
        if self.code is not None:
            return []
        found = _open_equations(self.name, self.counts)
        accounted = sum(self.classes.values())
        if accounted != self.bytes_in:
            found.append(f"{self.name}: {self.bytes_in} bytes came in, {accounted} are accounted for")
        of_records = self.classes["record"] + self.classes["undecodable"]
        if of_records != self.counts["records_in"][2]:
            found.append(f"{self.name}: records hold {self.counts['records_in'][2]} bytes, their classes {of_records}")
        for row in self.stage_rows():
            for measure in MEASURES:
                given, kept, aside = (row[f"{measure}_{side}"] for side in ("in", "out", "exceptions"))
                if given != kept + aside:
                    found.append(f"{self.name}: {row['stage']}: {given} {measure} in, {kept + aside} out")
        return found

    def _set_aside(self, stage: str, number: int) -> int:
        """By a stage, of one measure: what is too old is suspended by deduplication, all else by rating."""
        moved = {"deduplicate": self.too_old[number], "rate": -self.too_old[number]}
        return self.counts[STAGES[stage]][number] + moved.get(stage, 0)

    def stage_rows(self) -> list[dict]:
        """What each stage was given, handed on and set aside."""
        rows: list[dict] = []
        if not self.stages:  # written off: no stage was given anything
            return rows
        given = [self.counts[name] for name in HANDED_ON]
        handed_on = [sum(measures) for measures in zip(*given, strict=True)]
        for stage, after in zip(
            self.stages, [*(self.stages_in[name] for name in self.stages[1:]), handed_on], strict=True
        ):
            row: dict = {"source_id": self.source_id, "source": self.name, "feed": self.feed, "stage": stage}
            for number, measure in enumerate(MEASURES):
                row[f"{measure}_in"] = self.stages_in[stage][number]
                row[f"{measure}_out"] = after[number]
                row[f"{measure}_exceptions"] = self._set_aside(stage, number)
            rows.append(row)
        return rows


def _open_equations(name: str, counts: dict[str, list[int]]) -> list[str]:
    found = []
    for number, measure in enumerate(MEASURES):
        given, gone = (sum(counts[key][number] for key in side) for side in (INTO, OUT_OF))
        if given != gone:
            found.append(f"{name}: {given} {measure} came in, {gone} went out")
    return found


class Audit:
    """The certificate of a run: its sources, in source order."""

    def __init__(self, sources: list[SourceAudit] | None = None):
        self.sources = sources if sources is not None else []

    @property
    def accepted(self) -> list[SourceAudit]:
        """The sources that were not refused."""
        return [source for source in self.sources if source.code is None]

    @property
    def refused(self) -> list[SourceAudit]:
        """The sources that were refused whole."""
        return [source for source in self.sources if source.code is not None]

    def totals(self, measure: str = "records") -> dict[str, int]:
        """The sum over the accepted sources of every count, in records, items or bytes."""
        number = MEASURES.index(measure)
        return {name: sum(source.counts[name][number] for source in self.accepted) for name in (*INTO, *OUT_OF)}

    def classes(self) -> dict[str, int]:
        """Bytes of the accepted sources by class."""
        return {name: sum(source.classes[name] for source in self.accepted) for name in CLASSES}

    @property
    def bytes_in(self) -> int:
        """Decompressed bytes of the accepted sources."""
        return sum(source.bytes_in for source in self.accepted)

    @property
    def conflicts(self) -> int:
        """Duplicates whose payload differs from the first."""
        return sum(source.conflicts for source in self.accepted)

    @property
    def closes(self) -> bool:
        """Whether every equation holds, per source, per stage and in total."""
        return not self.faults()

    def faults(self) -> list[str]:
        """Every equation that does not hold."""
        found = [fault for source in self.sources for fault in source.faults()]
        counts = {name: [self.totals(measure)[name] for measure in MEASURES] for name in (*INTO, *OUT_OF)}
        return found + _open_equations("the run", counts)

    def check(self) -> None:
        """Raise InvariantError unless the certificate closes."""
        faults = self.faults()
        if faults:
            raise InvariantError(f"the certificate does not close; nothing was published: {'; '.join(faults[:20])}")

    def __str__(self) -> str:
        lines = []
        for measure in MEASURES:
            totals = self.totals(measure)
            left, right = (" + ".join(f"{name} {totals[name]:,}" for name in side) for side in (INTO, OUT_OF))
            lines.append(f"{measure}: {left} = {right}")
        classes = " + ".join(f"{name} {count:,}" for name, count in self.classes().items())
        lines.append(f"bytes in: {self.bytes_in:,} = {classes}")
        lines += [f"refused: {source.name}: {source.code}" for source in self.refused]
        return "\n".join([*lines, "closes" if self.closes else "does not close"])

    def table(self) -> pa.Table:
        """Per source and stage: records, items and bytes in, out and set aside."""
        import pyarrow as pa

        kinds = {"source_id": pa.int32(), "source": pa.utf8(), "feed": pa.utf8(), "stage": pa.utf8()}
        kinds |= {f"{measure}_{side}": pa.int64() for measure in MEASURES for side in ("in", "out", "exceptions")}
        rows = [row for source in self.accepted for row in source.stage_rows()]
        return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))

    def files(self) -> list[dict]:
        """Every source with what became of it, for run.json.

        Its content's hash is XXH3-128 (32 digits) of a run by itself, BLAKE3 (64) in a workspace.
        """
        return [
            {
                "source_id": source.source_id,
                "name": source.name,
                "feed": source.feed,
                "content_hash": source.content_hash,
                "compression": source.compression,
                "file_bytes": source.file_bytes,
                "bytes_in": source.bytes_in,
                "refused": source.code,
                "detail": source.detail,
                "sum_verified": source.sum_verified,
                "bytes": dict(source.classes),
                **{name: count[0] for name, count in source.counts.items()},
                "conflicts": source.conflicts,
                "unknown_elements": source.unknown_elements,
                "closure": source.closure,
                "lost_records": source.lost_records,
            }
            for source in self.sources
        ]
