"""Decompression of untrusted files: bounded output for every step, every member counted, nothing after the last.

Conventions
-----------
- A stream has `read_into(view) -> int`: how many bytes came, 0 at the end (again and again). It never makes much more
  than was asked for, whatever the file says: gzip by the length asked for, zstd by one block (128 KiB) at a time.
- `read(size) -> bytes` is the file; b"" is its end.
- A damaged or cut stream and bytes after the last member are `damaged_compression`; zeros may pad gzip (tapes do it).
"""

from __future__ import annotations

from typing import Any

import zstandard
from isal import igzip_lib, isal_zlib

from mediation.errors import SourceRefused

READ_BYTES = 256 << 10
FIRST_STEP_BYTES = 1 << 10
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte 0x50 to 0x5f
ZSTD_MAX_BLOCK_BYTES = 128 << 10
ZSTD_MAX_WINDOW_BYTES = 128 << 20
GZIP_WBITS = 31  # a gzip header and trailer are required, and its checksum compared


def compression_of(magic: bytes) -> str:
    """What a file's first four bytes say: ``none``, ``gzip`` or ``zstd``."""
    if magic[:2] == GZIP_MAGIC:
        return "gzip"
    skippable = len(magic) >= 4 and magic[0] & 0xF0 == 0x50 and magic[1:4] == ZSTD_SKIPPABLE
    return "zstd" if magic[:4] == ZSTD_MAGIC or skippable else "none"


def _damaged(detail: str) -> SourceRefused:
    return SourceRefused("damaged_compression", detail)


class GzipStream:
    """Concatenated gzip members (RFC 1952) as one stream.

    A member is given little at first and then ever more: what follows its end comes back as a copy, which for a
    thousand small members would be all of the input a thousand times.
    """

    def __init__(self, read, max_members: int):
        self._read, self._max_members = read, max_members
        self._input, self._at = b"", 0
        self._member: Any = None
        self._step = FIRST_STEP_BYTES
        self.members = 0

    def read_into(self, view) -> int:
        """Fill a part of `view`."""
        while self._member is not None or self._open():
            piece = self._input[self._at : self._at + self._step]
            try:
                out = self._member.decompress(piece, len(view))
            except igzip_lib.IsalError as e:  # type: ignore[misc]  # its stub declares an instance
                raise _damaged(f"gzip member {self.members}: {e}") from None
            rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            self._at += len(piece) - len(rest)
            if self._member.eof:
                self._member = None
            elif not rest:
                self._step = min(2 * self._step, READ_BYTES)
            if out:
                view[: len(out)] = out
                return len(out)
            # Without a piece nothing was inside either; only then more input is needed.
            if self._member is not None and not piece and not self._more():
                raise _damaged(f"gzip member {self.members} is cut short")
        return 0

    def _more(self) -> bool:
        more = self._read(READ_BYTES)
        self._input, self._at = self._input[self._at :] + more, 0
        return bool(more)

    def _open(self) -> bool:
        """Begin the next member; False at the end of the file."""
        while len(self._input) - self._at < len(GZIP_MAGIC) and self._more():
            pass
        if not self._input.startswith(GZIP_MAGIC, self._at):
            self._only_padding()
            return False
        self.members += 1
        if self.members > self._max_members:
            raise SourceRefused("too_many_members")
        self._member, self._step = isal_zlib.decompressobj(wbits=GZIP_WBITS), FIRST_STEP_BYTES
        return True

    def _only_padding(self) -> None:
        while self._at < len(self._input):
            if self._input[self._at :].strip(b"\0"):
                raise _damaged("bytes follow the last gzip member")
            self._input, self._at = self._read(READ_BYTES), 0


class ZstdStream:
    """Concatenated zstd frames (RFC 8878) as one stream, walked block by block."""

    def __init__(self, read, max_members: int):
        self._read, self._max_members = read, max_members
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_MAX_WINDOW_BYTES)
        self._error = zstandard.ZstdError
        self._input, self._at = b"", 0
        self._frame: Any = None
        self._has_checksum = False
        self._out, self._out_at = b"", 0
        self.members = 0

    def read_into(self, view) -> int:
        """Fill a part of `view`."""
        while self._out_at == len(self._out):
            if self._frame is None and not self._open():
                return 0
            if self._frame is not None:
                self._out, self._out_at = self._block(), 0
        count = min(len(view), len(self._out) - self._out_at)
        view[:count] = memoryview(self._out)[self._out_at : self._out_at + count]
        self._out_at += count
        return count

    def _available(self, count: int) -> bool:
        while len(self._input) - self._at < count:
            more = self._read(READ_BYTES)
            if not more:
                return False
            self._input, self._at = self._input[self._at :] + more, 0
        return True

    def _take(self, count: int) -> bytes:
        if not self._available(count):
            raise _damaged(f"zstd frame {self.members} is cut short")
        self._at += count
        return self._input[self._at - count : self._at]

    def _open(self) -> bool:
        """Begin the next frame or skip a skippable one; False at the end of the file."""
        if not self._available(1):
            return False
        self.members += 1
        if self.members > self._max_members:
            raise SourceRefused("too_many_members")
        magic = self._take(4)
        if compression_of(magic) != "zstd":
            raise _damaged("bytes follow the last zstd frame")
        if magic != ZSTD_MAGIC:
            left = int.from_bytes(self._take(4), "little")
            while left:
                left -= len(self._take(min(left, READ_BYTES)))
            return True
        descriptor = self._take(1)
        flags = descriptor[0]
        single_segment = flags >> 5 & 1
        size_bytes = (single_segment, 2, 4, 8)[flags >> 6]
        rest = (0, 1, 2, 4)[flags & 3] + size_bytes + (1 - single_segment)
        self._has_checksum = bool(flags & 4)
        self._frame = self._decompressor.decompressobj()
        self._feed(magic + descriptor + self._take(rest))
        return True

    def _feed(self, data: bytes) -> bytes:
        try:
            return self._frame.decompress(data)
        except self._error:
            raise _damaged(f"zstd frame {self.members}") from None

    def _block(self) -> bytes:
        head = self._take(3)
        header = int.from_bytes(head, "little")
        kind, size = header >> 1 & 3, header >> 3
        if kind == 3 or size > ZSTD_MAX_BLOCK_BYTES:
            raise _damaged(f"zstd frame {self.members}")
        data = head + self._take(1 if kind == 1 else size)
        last = header & 1
        if last and self._has_checksum:
            data += self._take(4)
        out = self._feed(data)
        if last:
            if not self._frame.eof:
                raise _damaged(f"zstd frame {self.members}")
            self._frame = None
        return out
