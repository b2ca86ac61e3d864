"""What a given file is: its content's hash, whether a run has taken it before, and the copy that is kept of it.

Conventions
-----------
- A file is known by the hash of its decompressed stream: renamed or compressed anew it is the same.
- The copy is zstd with a checksum, of the decompressed stream. What the run then reads must have the same hash.
- A file that cannot be read as its feed declares has no content hash: the run refuses it and says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from mediation.decode.bytestream import ByteStream
from mediation.errors import SourceRefused, TemporaryError
from mediation.pipeline.disk import Disk
from mediation.pipeline.sources import Listed
from mediation.workspace.catalogue import Catalogue

KEPT = "sources"  # the folder of a run's copies
PIECE_BYTES = 4 << 20
KEPT_LEVEL = 1


class Taken(NamedTuple):
    """A given file. `known_from` is the run that has accepted its content, or 0 where the same ingest has it before."""

    listed: Listed
    file_hash: str
    content_hash: str | None
    kept: Path | None
    known_from: int | None

    @property
    def is_new(self) -> bool:
        """Whether no run has accepted this content."""
        return self.known_from is None


def kept_copy(folder: Path, source_id: int) -> Path:
    """Where a run's folder has its copy of a source."""
    return folder / KEPT / f"{source_id:08d}.zst"


def keep(listed: Listed, book: Any, disk: Disk, target: Path, threads: int) -> tuple[str | None, str]:
    """Copy a file's stream to `target`.

    Returns
    -------
    content_hash : str or None
        None (and no copy) where it cannot be read as declared.
    file_hash : str
        Of the file as it lies on disk.
    """
    import zstandard

    if listed.code is not None:
        return None, disk.hash(listed.path)
    feed = book.feeds[listed.feed]
    compressor = zstandard.ZstdCompressor(level=KEPT_LEVEL, write_checksum=True, threads=threads)
    try:
        stream = ByteStream(listed.path, feed.declared.compression, feed.declared.limits)
        try:
            with disk.create(target) as file, compressor.stream_writer(file, closefd=False) as sink:
                for piece in stream.pieces(PIECE_BYTES):
                    sink.write(piece)
            content_hash = stream.finish()
            return content_hash, content_hash if stream.compression == "none" else disk.hash(listed.path)
        finally:
            stream.close()
    except SourceRefused:
        if disk.exists(target):
            disk.remove(target)
        return None, disk.hash(listed.path)


def take_in(
    given: list[Listed], book: Any, catalogue: Catalogue, disk: Disk, folder: Path, threads: int
) -> list[Taken]:
    """Look at every given file, in source order; new ones get their ids, and copies in the run's folder."""
    taken: list[Taken] = []
    seen: set[str] = set()
    source_id = catalogue.next_source_id()
    for listed in given:
        kept: Path | None = kept_copy(folder, source_id)
        content_hash, hash_on_disk = keep(listed, book, disk, kept, threads)
        known_from = None
        if content_hash is None:
            kept = None
        else:
            known_from = 0 if content_hash in seen else catalogue.run_of_content(content_hash)
            seen.add(content_hash)
        if known_from is None:
            listed, source_id = listed._replace(source_id=source_id), source_id + 1
        else:
            disk.remove(kept)
            kept = None
        if content_hash is not None and not hash_on_disk:
            raise TemporaryError(f"{listed.name}: could be read once, and not again; nothing was committed")
        taken.append(Taken(listed, hash_on_disk, content_hash, kept, known_from))
    return taken
