"""The history of a workspace: one immutable segment a run, and many of them probed as one.

Conventions
-----------
- Nothing here opens a file: a segment is written as pieces of bytes and read through a `Readable`.
- Whatever is read is checked before it is used; what does not close is a `DamagedState`.
- A fingerprint is in one segment at most, and always under the same day: only partitions of a batch's days are asked,
  and what is read of them when they first are is kept. Opening reads header and directory alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from mediation.dedup._segment import HEADER_BYTES, SegmentIndex, SegmentMerger, SegmentProbe, SegmentWriter
from mediation.errors import DamagedState, UsageError
from mediation.native._column import Batch

__all__ = ["Readable", "Segment", "SegmentHistory", "merge_segments", "write_segment"]

BUCKETS_TOGETHER = 1 << 10  # written, merged and verified in one piece: 1.3 MB
FILTER_BYTES_TOGETHER = 1 << 20


class Readable(Protocol):
    """A file's bytes at any place."""

    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """These bytes; fewer where the file ends."""
        ...


def _dated(batch: Batch) -> Batch:
    if "partition_day" not in batch.names:
        raise UsageError("a history of segments wants partition days: compile keys and admit records with dated=True")
    return batch


def write_segment(entries: Batch, secret: bytes) -> Iterator[bytes]:
    """The segment of a run, piece by piece; the same entries in any order give the same bytes.

    Parameters
    ----------
    entries : Batch
        Of `Admission.entries`, dated.
    secret : bytes
        16, the workspace's own; without it nobody can make a segment that opens.

    Yields
    ------
    bytes
        One after the other they are the file, of at most 24 bytes a record.
    """
    writer = SegmentWriter(_dated(entries), secret)
    yield writer.header()
    for partition, buckets in enumerate(writer.buckets):
        for begin in range(0, buckets, BUCKETS_TOGETHER):
            yield writer.bucket_range(partition, begin, min(begin + BUCKETS_TOGETHER, buckets))
    for partition in range(len(writer.buckets)):
        yield writer.filter(partition)
    for partition in range(len(writer.buckets)):
        yield writer.begins(partition)
    yield writer.directory()


def merge_segments(segments: Sequence[Segment], secret: bytes, floor_day: int | None = None) -> Iterator[bytes]:
    """One segment of several, piece by piece; the same as `write_segment` would make of all their entries.

    Memory is that of the result's filters and a few MB, whatever the segments' size.

    Parameters
    ----------
    segments : sequence of Segment
        No fingerprint is in two of them.
    secret : bytes
        16, theirs.
    floor_day : int, optional
        Records of days before it are left out; undated ones never.

    Yields
    ------
    bytes
        One after the other they are the file.

    Raises
    ------
    DamagedState
        When a part that had to be read is not as it was written.
    """
    merger = SegmentMerger([segment.index for segment in segments], secret, floor_day)
    yield merger.header()
    for partition, buckets in enumerate(merger.buckets):
        for number, of_it in merger.begin(partition):
            segments[number].read_begins(of_it)
        for end in (*range(BUCKETS_TOGETHER, buckets, BUCKETS_TOGETHER), buckets):
            for number, *span in merger.want(end):
                segments[number].require(merger.take(segments[number].read(*span)), "bucket")
            yield merger.bucket_range()
    for partition, length in enumerate(merger.filters):
        for begin in range(0, length, FILTER_BYTES_TOGETHER):
            yield merger.filter(partition, begin, min(begin + FILTER_BYTES_TOGETHER, length))
    for partition in range(len(merger.buckets)):
        yield merger.begins(partition)
    yield merger.directory()


class Segment:
    """What one run has accepted; in memory are its directory and the filters of days that were asked for.

    Parameters
    ----------
    file : Readable
    secret : bytes
        That it was written with.
    name : str
        What messages call it.

    Raises
    ------
    DamagedState
        When a part that is read now is not as it was written, or was written with another secret or version.
    """

    def __init__(self, file: Readable, secret: bytes, name: str = "segment"):
        self.name = name
        self._file = file
        self.index = SegmentIndex(secret)
        self.require(self.index.read_header(self.read(0, HEADER_BYTES), file.size), "header")
        self.require(self.index.read_directory(self.read(*self.index.directory_span)), "directory")

    def __len__(self) -> int:
        return self.index.entries

    @property
    def nbytes(self) -> int:
        """Memory, in bytes."""
        return self.index.nbytes

    @property
    def days(self) -> tuple[tuple[int | None, int], ...]:
        """Days since 1970 (None: undated) and the number of records of each, ascending."""
        return self.index.days

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the file."""
        return self._file.read_at(offset, length)

    def read_begins(self, partition: int) -> None:
        """Read where a partition's buckets begin, and keep it."""
        data = self.read(*self.index.begins_span(partition))
        self.require(self.index.read_begins(partition, data), "directory of buckets")

    def verify(self) -> None:
        """Read all of it, and check it."""
        for partition in range(len(self.days)):
            data = self.read(*self.index.filter_span(partition))
            self.require(self.index.filter_closes(partition, data), "filter")
            self.read_begins(partition)
            buckets = self.index.buckets(partition)
            for begin in range(0, buckets, BUCKETS_TOGETHER):
                end = min(begin + BUCKETS_TOGETHER, buckets)
                data = self.read(*self.index.bucket_span(partition, begin, end))
                self.require(self.index.buckets_close(partition, begin, end, data), "bucket")

    def search(self, probe: SegmentProbe) -> None:
        """Answer what this segment knows of the probe's batch."""
        for partition in probe.turn_to(self.index):
            data = self.read(*self.index.filter_span(partition))
            self.require(self.index.read_filter(partition, data), "filter")
            self.read_begins(partition)
        for number, span in enumerate(probe.ask()):
            self.require(probe.search(number, self.read(*span)), "bucket")

    def require(self, sound: bool, part: str) -> None:
        """Refuse what is not sound."""
        if not sound:
            raise DamagedState(
                f"history {self.name}: its {part} is not as this workspace has written it; restore the file from a copy"
            )


class SegmentHistory:
    """What earlier runs have accepted: a `History` over their segments.

    Parameters
    ----------
    segments : iterable of Segment
        In the order of their runs.
    """

    def __init__(self, segments: Iterable[Segment]):
        self.segments: Sequence[Segment] = tuple(segments)
        self._probe = SegmentProbe()

    def __len__(self) -> int:
        return sum(map(len, self.segments))

    @property
    def nbytes(self) -> int:
        """Memory, in bytes."""
        return sum(segment.nbytes for segment in self.segments) + self._probe.nbytes

    def probe(self, fingerprints: Batch) -> Batch:
        """Say which records are known: `History.probe`, for one thread at a time.

        Parameters
        ----------
        fingerprints : Batch
            ``fingerprint`` and ``partition_day``.

        Returns
        -------
        Batch
            ``payload_check``; null where no segment has the fingerprint.

        Raises
        ------
        DamagedState
            When a bucket that had to be read is not as it was written.
        """
        self._probe.begin(_dated(fingerprints))
        for segment in self.segments:
            segment.search(self._probe)
        return self._probe.finish()
