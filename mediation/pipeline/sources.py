"""Which files a run reads, by which feed, and in what order.

Conventions
-----------
- A file finds its feed by its name alone; one that matches none or two is listed with the code it is refused by.
- Sources are ordered by (feed, date, sequence, name, content): never by argument order, folder or clock. Source ids
  count in that order, and a refused file keeps its own.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mediation.decode.bytestream import HASHES
from mediation.errors import NoInputError, SourceRefused, UsageError
from mediation.rulebook.model import SourceLimits

HASHED_AT_ONCE = 1 << 20


class Listed(NamedTuple):
    """A file of the run."""

    source_id: int
    path: Path
    feed: str | None
    date: dt.date | None
    sequence: int | None
    code: str | None  # it is refused by its name
    detail: str
    file_bytes: int
    kept_of: str | None = None  # the file is a workspace's copy (zstd) of one with this name

    @property
    def name(self) -> str:
        """The file's name as text; bytes of it that are no UTF-8 as `\\xNN`."""
        return self.kept_of or os.fsencode(self.path.name).decode("utf-8", "backslashreplace")


def file_hash(path: Path, most_bytes: int, hash_name: str = "blake3") -> str:
    """Hash of a file as it lies on disk, in hex; empty for what cannot be read, is no regular file or too large."""
    hasher = HASHES[hash_name]()
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
                return ""
            left = found.st_size  # a file that grows may have no end
            while left > 0 and (piece := os.read(file, min(left, HASHED_AT_ONCE))):
                hasher.update(piece)
                left -= len(piece)
        finally:
            os.close(file)
    except OSError:
        return ""
    return hasher.hexdigest()


def most_bytes(book: Any, feed: str | None) -> int:
    """What a file of a feed may hold, or one of no feed."""
    limits = SourceLimits() if feed is None else book.feeds[feed].declared.limits
    return limits.max_bytes


def _matched(path: Path, book: Any) -> tuple:
    try:
        feed = book.feed_of(path)
    except SourceRefused as refusal:
        return None, None, None, refusal.code, refusal.detail
    found = feed.template.match(path.name)
    return feed.name, found.date, found.sequence, None, ""


def list_sources(paths: Iterable[str | os.PathLike], book: Any) -> list[Listed]:
    """The run's sources in their order.

    Parameters
    ----------
    paths : iterable of path
        Files; the same path may not be given twice.
    book : Rulebook

    Raises
    ------
    NoInputError
        A path does not exist.
    UsageError
        No path, or one of them twice.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    files = [Path(path) for path in paths]
    if not files:
        raise UsageError("no input file was given")
    twice = [path for path, count in Counter(map(os.path.abspath, files)).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]}: given twice")
    missing = [path for path in files if not os.path.lexists(path)]
    if missing:
        raise NoInputError(f"{missing[0]}: no such file" + (f" (and {len(missing) - 1} more)" if missing[1:] else ""))
    found = [(path, *_matched(path, book)) for path in files]
    same_name = Counter(path.name for path in files)

    def order(entry: tuple) -> tuple:
        path, feed, date, sequence, *_ = entry
        content = file_hash(path, most_bytes(book, feed)) if same_name[path.name] > 1 else ""
        return feed or "", date or dt.date.min, -1 if sequence is None else sequence, path.name, content

    return [
        Listed(number, *entry, file_bytes=os.lstat(entry[0]).st_size)
        for number, entry in enumerate(sorted(found, key=order))
    ]
