"""A file's bytes: opened safely, decompressed within caps, hashed, and unchanged from first to last.

Conventions
-----------
- Only regular files are read, never through a link, and never mapped: a mapped file that shrinks kills its reader.
- What the consumer gets is what was hashed. The hash is known only when the stream was read to its end.
- BLAKE3 is what a file is known by for good, also where somebody would like two files to be known as one. XXH3 tells
  files apart where nobody tries, at an eighth of the time: 2 ns a record of 128 bytes and not 19.
- A file that changes while it is read, is not compressed as declared, or grows beyond its caps is refused.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

import blake3
import xxhash

from mediation.decode.compressed import GzipStream, ZstdStream, compression_of
from mediation.errors import NoInputError, SourceRefused, TemporaryError

RATIO_FREE_BYTES = 64 << 20  # below this nobody asks how far a stream has grown
MAGIC_BYTES = 4
HASHES = {"blake3": blake3.blake3, "xxh3-128": xxhash.xxh3_128}
_NO_INPUT = frozenset([errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG])
_NOT_REGULAR = frozenset([errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR])


class ByteStream:
    """One file's decompressed stream.

    Parameters
    ----------
    path : path-like
    declared : str
        ``auto``, ``none``, ``gzip`` or ``zstd``.
    limits : SourceLimits
    hash_name : str
        One of `HASHES`.

    Attributes
    ----------
    compression : str
        What the file is: ``none``, ``gzip`` or ``zstd``.
    bytes_in, file_bytes : int
        Of the stream so far, and of the file.

    Raises
    ------
    SourceRefused, NoInputError, TemporaryError
        Here and while reading.
    """

    def __init__(self, path, declared: str, limits, hash_name: str = "blake3"):
        self._name = os.path.basename(os.fsdecode(path))
        self._limits = limits
        self._hash = HASHES[hash_name]()
        self._raw_bytes = 0
        self.bytes_in = 0
        self._fd = -1
        try:
            self._open(path, declared)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; again is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _translated(self, error: OSError) -> Exception:
        """An operating system's error as ours."""
        if error.errno in _NOT_REGULAR:
            return SourceRefused("not_a_regular_file")
        if error.errno in _NO_INPUT:
            return NoInputError(f"{self._name}: {os.strerror(error.errno)}")
        return TemporaryError(f"{self._name}: {os.strerror(error.errno or errno.EIO)}; run again when it can be read")

    def _open(self, path, declared: str) -> None:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            self._stat = os.fstat(self._fd)
            if not stat.S_ISREG(self._stat.st_mode):
                raise SourceRefused("not_a_regular_file")
            magic = os.pread(self._fd, MAGIC_BYTES, 0)
        except OSError as e:
            raise self._translated(e) from e
        except ValueError as e:  # a NUL byte
            raise NoInputError(f"{self._name}: no file can have this name") from e
        self.file_bytes = self._stat.st_size
        found = compression_of(magic)
        if not magic and (declared in ("gzip", "zstd") or self._name.endswith((".gz", ".zst"))):
            raise SourceRefused("damaged_compression", "an empty file, where a compressed one is declared")
        if declared not in ("auto", found):
            raise SourceRefused("wrong_compression")
        self.compression = found
        if found == "none":
            self._check_size(self.file_bytes)
            self._read_into = self._read_plain
        else:
            stream = GzipStream if found == "gzip" else ZstdStream
            self._read_into = stream(self._read_raw, self._limits.max_members).read_into

    def _read_plain(self, view) -> int:
        try:
            count = os.readv(self._fd, [view])
        except OSError as e:
            raise self._translated(e) from e
        self._count_raw(count)
        return count

    def _read_raw(self, size: int) -> bytes:
        try:
            data = os.read(self._fd, size)
        except OSError as e:
            raise self._translated(e) from e
        self._count_raw(len(data))
        return data

    def _count_raw(self, count: int) -> None:
        """Files that grow while they are read, and those that the system makes up, may have no end."""
        self._raw_bytes += count
        if self._raw_bytes > self.file_bytes:
            raise SourceRefused("changed_while_read")

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_bytes:
            raise SourceRefused("too_many_bytes")
        unpacked = self.compression != "none" and size > RATIO_FREE_BYTES
        if unpacked and size > self._limits.max_ratio * self._raw_bytes:
            raise SourceRefused("compression_ratio_too_high")

    def fill(self, view, begin: int, end: int) -> int:
        """Read into ``view[begin:end]`` until it is full or the stream ends.

        Returns
        -------
        int
            How far `view` is filled: below `end` only at the end of the stream.
        """
        first, filled = self.bytes_in == 0, begin
        while filled < end:
            with view[filled:end] as room:
                count = self._read_into(room)
            if count == 0:
                break
            filled += count
            self._check_size(self.bytes_in + filled - begin)
        self.bytes_in += filled - begin
        with view[begin:filled] as fresh:  # whole buffers: the hash then lets other threads run
            self._hash.update(fresh)
            if first and self.compression != "none" and compression_of(bytes(fresh[:MAGIC_BYTES])) != "none":
                raise SourceRefused("nested_compression")
        return filled

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The whole stream; each piece is there until the next is asked for."""
        view, filled = memoryview(bytearray(size)), size
        while filled == size:
            filled = self.fill(view, 0, size)
            yield view[:filled]

    def finish(self) -> str:
        """Make sure that the file is still what it was, and close it.

        Returns
        -------
        str
            Hash of the decompressed stream, in hex.
        """
        try:
            now = os.fstat(self._fd)
        except OSError as e:
            raise self._translated(e) from e
        was = self._stat
        same = (now.st_size, now.st_mtime_ns, now.st_ino) == (was.st_size, was.st_mtime_ns, was.st_ino)
        if not same or self._raw_bytes != was.st_size:
            raise SourceRefused("changed_while_read")
        self.close()
        return self._hash.hexdigest()
