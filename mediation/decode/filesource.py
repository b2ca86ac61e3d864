"""What every source is: one file, read once, in texts that are handed out piece by piece.

Conventions
-----------
- Memory is a few texts, whatever the file holds.
- Every byte of the decompressed stream is in exactly one of: header, trailer, filler, a chunk, a stretch.
- A text is written only before its chunk is handed out: the consumer may keep it as long as it likes.
- What a format makes of the bytes is its subclass's: `_pieces` and `verify`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

from mediation.decode._text import Text
from mediation.decode.bytestream import ByteStream
from mediation.errors import SourceRefused, UsageError
from mediation.rulebook.names import NameMatch

# Measured on two processors, parse to rate: of 1 MiB a batch costs more in Python than its columns, which stay in the
# cache, save; of 4 MiB they do not, and cost a tenth more. With its padding a text is a block of the pool.
CHUNK_BYTES = (1 << 21) - 64


class Chunk(NamedTuple):
    """Whole records: `length` bytes of `text` from `begin`, which is at `byte_offset` of the decompressed stream.

    `context` is what the file's header says to its records, and `rows` how many they have at most, where a format has
    such things.
    """

    text: Text
    begin: int
    length: int
    byte_offset: int
    context: Any = None
    rows: int = 0


class Stretch(NamedTuple):
    """What no record can be made of, as one: a record without end up to where the next may begin.

    `raw` is its first max_record_bytes.
    """

    byte_offset: int
    length: int
    raw: bytes
    code: str


class Window(NamedTuple):
    """What is at hand: `text` from `begin` to `filled`; `text[0]` is at `offset` of the stream."""

    text: Text
    begin: int
    filled: int
    offset: int


class FileSource(ABC):
    """One file, read once. A context manager; iterating it yields `Chunk` and `Stretch` in stream order.

    Parameters
    ----------
    path : path-like
    feed : FeedBook
    layout : CompiledLayout
    limits : SourceLimits
    chunk_bytes : int
        Size of a text, raised to four times the longest record where that is more.
    said, compression : NameMatch and str, optional
        What the file's name says and what the file is, where that is not what `path` and the feed say.
    hash_name : str
        By which of `bytestream.HASHES` the content is known.

    Attributes
    ----------
    layout : CompiledLayout
        For `decode_chunk`: with its first chunk, the one that the file's header lines ask for.
    held : bool
        Acceptance can only be known at the end: the file is compressed, has a trailer, or a header with totals. Known
        with the first piece.
    compression : str
        ``none``, ``gzip`` or ``zstd``.
    bytes_in, file_bytes : int
        Of the decompressed stream, and of the file.
    header_bytes, trailer_bytes, filler_bytes : int
    content_hash : str or None
        Of the decompressed stream, in hex; None until it was read to its end.
    sum_verified : bool or None
        Set by `verify`: False when unreadable records left a declared sum open, None where none is declared.
    closure : str or None
        Why the file was closed, where its header says so.
    lost_records : int or None
        How many records the header says were lost before the file was written, at least.

    Raises
    ------
    SourceRefused
        Here and while iterating.
    NoInputError, TemporaryError
        The file cannot be opened, or reading it failed.
    """

    def __init__(
        self,
        path,
        feed,
        layout,
        limits,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        said: NameMatch | None = None,
        compression: str | None = None,
        hash_name: str = "blake3",
    ):
        self.layout, self._feed = layout, feed
        self._declared, self._plan, self._columns = layout.declared, layout.plan, list(layout.control_columns)
        named = feed.template.match(os.path.basename(os.fsdecode(path)))
        self._said = said or named or NameMatch(None, None)
        self._longest = max(self._declared.max_record_bytes, self._declared.record_length or 0)
        self._capacity = max(chunk_bytes, (4 + 2 * self._declared.header_lines) * self._longest, 64)
        self._limit = self._capacity - 1  # one byte is free to end a last record that has no terminator
        self._envelope: dict[str, Any] = {}  # what stands around the records
        self._refusal: SourceRefused | None = None  # for what the file begins with
        self._begun = False
        self.content_hash: str | None = None
        self.sum_verified: bool | None = None
        self.closure: str | None = None
        self.lost_records: int | None = None
        self.header_bytes = self.trailer_bytes = self.filler_bytes = 0
        self._stream = ByteStream(path, compression or feed.declared.compression, limits, hash_name)
        self.held = self.compression != "none" or self._is_told_late()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self) -> None:
        """Close the file; again is harmless."""
        self._stream.close()

    @property
    def compression(self) -> str:
        return self._stream.compression

    @property
    def file_bytes(self) -> int:
        return self._stream.file_bytes

    @property
    def bytes_in(self) -> int:
        return self._stream.bytes_in

    def __iter__(self) -> Iterator[Chunk | Stretch]:
        if self._begun:
            raise UsageError("a source is read once")
        self._begun = True
        text = Text(self._capacity)
        yield from self._pieces(Window(text, 0, self._fill(text, 0), 0))
        self.content_hash = self._stream.finish()

    @abstractmethod
    def _is_told_late(self) -> bool:
        """Whether the file's own totals decide if it is accepted."""

    @abstractmethod
    def _pieces(self, window: Window) -> Iterator[Chunk | Stretch]:
        """The pieces of a file, of which the first text is at hand; reads the stream to its end."""

    @abstractmethod
    def verify(self, records: int, sums, unreadable) -> None:
        """Compare what the file says of itself with what it holds, after the last chunk.

        Parameters
        ----------
        records : int
            All records that chunks and stretches held, rejected ones too.
        sums, unreadable : sequence of int
            Per column of the layout's `control_columns`: its sum in base units, and the records where it could not be
            read.

        Raises
        ------
        SourceRefused
            ``header_missing``, ``column_missing``, ``column_repeated``, ``too_many_columns``, ``header_mismatch``,
            ``trailer_missing``, ``envelope_too_long``, ``record_count_mismatch`` or ``control_sum_mismatch``.
        """

    # ------------------------------------------------------------------------------------------- texts

    def _fill(self, text: Text, filled: int) -> int:
        """Read until `text` is full or the stream ends (then the answer is below the limit)."""
        with memoryview(text) as view:
            return self._stream.fill(view, filled, self._limit)

    def _carry(self, window: Window, keep: int) -> Window:
        """A new text that begins with what the old one has from `keep` on."""
        text, length = Text(self._capacity), window.filled - keep
        with memoryview(window.text) as old, memoryview(text) as new:
            new[:length] = old[keep : window.filled]
        return Window(text, 0, self._fill(text, length), window.offset + keep)

    def _drain(self, text: Text) -> None:
        """Read what is left of the stream, which nobody looks at: it is hashed all the same."""
        while self._fill(text, 0) == self._limit:
            pass
