"""Everything that is written to last goes through here, so that a simulated disk and faults can stand in its place.

Conventions
-----------
- What is created is new, ours alone (folders 0700, files 0600) and never reached through a link.
- A file is on disk when `create` is left; that it has a name is certain once its folder was synced, and so are a rename
  and a removal. A sync that fails is not tried again: what the system then holds is unknown.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mediation.pipeline.sources import file_hash

MOST_BYTES = 1 << 62  # whatever a file holds
MOUNTS = "/proc/self/mountinfo"
OVER_A_NETWORK = frozenset(["nfs", "nfs4", "cifs", "smb3", "ncpfs", "afs", "fuse.sshfs", "fuse.glusterfs", "ceph"])
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_of(path: Path, mounts: str) -> str | None:
    """The file system that a path lies on, where that is one over a network.

    Parameters
    ----------
    path : Path
        Absolute.
    mounts : str
        As /proc/self/mountinfo writes them: the mount point is the fifth word, the kind stands behind a lone hyphen.
    """
    found = Path("/"), ""
    for line in mounts.splitlines():
        words = line.split()
        if "-" not in words[5:-1]:
            continue
        point = Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), words[4]))
        if path.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = point, words[words.index("-", 5) + 1]
    return found[1] if found[1] in OVER_A_NETWORK else None


class OpenFile:
    """A file's bytes at any place; closed when nobody has it any more."""

    def __init__(self, path: Path):
        self._handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self.size = os.fstat(self._handle).st_size

    def __del__(self) -> None:
        if hasattr(self, "_handle"):  # else it was never opened
            os.close(self._handle)

    def read_at(self, offset: int, length: int) -> bytes:
        """These bytes; fewer where the file ends."""
        return os.pread(self._handle, length, offset)

    def mapped(self) -> mmap.mmap | bytes:
        """All bytes, where the system has them: nobody may change the file. A disk that fails ends the process."""
        return mmap.mmap(self._handle, 0, access=mmap.ACCESS_READ) if self.size else b""


class Disk:
    """The real one."""

    def make_folder(self, path: Path) -> None:
        """Make a folder that is not there yet."""
        path.mkdir(mode=0o700)

    @contextlib.contextmanager
    def create(self, path: Path) -> Iterator[IO[bytes]]:
        """A new file for writing."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Move a file, or a folder whose target is not there or empty."""
        os.rename(source, target)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder last."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder with all that is in it."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def names(self, path: Path) -> list[str]:
        """What is in a folder."""
        return sorted(os.listdir(path))

    def exists(self, path: Path) -> bool:
        """Whether there is anything of that name."""
        return os.path.lexists(path)

    def open(self, path: Path) -> OpenFile:
        """A file for reading at any place."""
        return OpenFile(path)

    def network(self, path: Path) -> str | None:
        """The file system that a path lies on, where that is one over a network and known to be."""
        try:
            return network_of(path.resolve(), Path(MOUNTS).read_text("utf-8", "surrogateescape"))
        except OSError:  # no such list on this system
            return None

    def hash(self, path: Path) -> str:
        """Hex blake3 of a file; empty for what is no regular file or cannot be read."""
        return file_hash(path, MOST_BYTES)
