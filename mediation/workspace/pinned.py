"""Rule books and reference data as a workspace has them: copies by content, and the form in which runs read the latter.

Conventions
-----------
- The catalogue's settings `rulebook`, `reference` and `compiled` say what the next run is made by; the last one names
  the file beside the copies that holds the reference data compiled, by their hash and its form, and has its hash.
- Only the form of the reference data in force is kept. Where it is missing, of another form or of other data, they are
  compiled from their copy; where it is not what was written, the workspace is damaged.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import blake3

from mediation.errors import InvariantError, NoInputError, RulebookError, TemporaryError
from mediation.pipeline.disk import Disk
from mediation.rulebook import Reference, Rulebook, load_rulebook
from mediation.rulebook.compiled import FORM, compiled_form, reference_of
from mediation.workspace.catalogue import Catalogue
from mediation.workspace.protocol import Place

RULEBOOKS, REFERENCES = "rulebooks", "references"
NO_REFERENCE, NOT_COMPILED = b"", b""


def pin(disk: Disk, root: Path, book: Rulebook, rulebook: Any, reference: Any) -> dict[str, bytes]:
    """Copy the declarations that a book was loaded from, by content; the settings that name them."""
    _copy_once(disk, Path(rulebook), root / RULEBOOKS / book.hash)
    if reference is None:
        return {"rulebook": book.hash.encode(), "reference": NO_REFERENCE, "compiled": NOT_COMPILED}
    _copy_once(disk, Path(reference), root / REFERENCES / book.reference_hash)
    compiled = _write_compiled(disk, root, book.reference)
    return {"rulebook": book.hash.encode(), "reference": book.reference_hash.encode(), "compiled": compiled}


def in_force(catalogue: Catalogue) -> tuple[str, str]:
    """Hashes of the rule book and the reference data that the next run is made by."""
    return catalogue.setting("rulebook").decode(), catalogue.setting("reference").decode()


def load(place: Place, rulebook_hash: str, reference_hash: str, *, from_copies: bool = False) -> Rulebook:
    """The rule book and the reference data of these hashes.

    Parameters
    ----------
    place : Place
    rulebook_hash, reference_hash : str
    from_copies : bool
        Compile them even where that was done before.

    Raises
    ------
    InvariantError
        The workspace's copies, or what was compiled of them, are not what was written.
    NoInputError
        The reference data of an earlier run were given up since.
    """
    root, given = place.root, bool(reference_hash) and place.disk.exists(place.root / REFERENCES / reference_hash)
    reference: Reference | Path | None = root / REFERENCES / reference_hash if given else None
    if given and not from_copies:
        reference = _read_compiled(place, reference_hash) or reference
    book = load_rulebook(root / RULEBOOKS / rulebook_hash, reference)
    differs = bool(reference_hash) and book.reference_hash != reference_hash  # without any it has a hash too
    if differs and not given and reference_hash != in_force(place.catalogue)[1]:
        raise NoInputError(f"{root}: the reference data of that run are no longer kept")
    if book.hash != rulebook_hash or differs:
        raise InvariantError(f"{root}: the rule book or its reference data are not what was copied")
    return book


def keep_compiled(place: Place, book: Rulebook) -> None:
    """Have the reference data of the book in force compiled for those who come later; the workspace is locked."""
    name, _ = _noted(place.catalogue)
    wanted = _name(book.reference_hash)
    if not book.reference.given or (name == wanted and place.disk.exists(place.root / REFERENCES / wanted)):
        return
    try:
        place.catalogue.set({"compiled": _write_compiled(place.disk, place.root, book.reference)})
        forget_compiled(place)
    except OSError as error:
        raise TemporaryError(f"{place.root}: writing failed: {error.strerror or error}; run it again") from error


def forget_compiled(place: Place) -> None:
    """Remove what was compiled before, and what somebody who died has left; the workspace is locked."""
    name, _ = _noted(place.catalogue)
    folder = place.root / REFERENCES
    for left in place.disk.names(folder):
        if "." in left and left != name:  # a copy's name is its hash
            place.disk.remove(folder / left)


def faults(place: Place) -> list[str]:
    """What is wrong with what the next run is made by."""
    try:
        book = load(place, *in_force(place.catalogue), from_copies=True)
        name, digest = _noted(place.catalogue)
    except (InvariantError, RulebookError) as error:
        return [str(error)]
    path, found = place.root / REFERENCES / name, []
    if name and place.disk.exists(path):
        if place.disk.hash(path) != digest:
            found.append(f"{REFERENCES}/{name} is not what was written")
        elif name == _name(book.reference_hash) and _hash(book.reference) != digest:
            found.append(f"{REFERENCES}/{name} is not what its reference data compile to")
    return found


def _name(reference_hash: str) -> str:
    return f"{reference_hash}.{FORM}"


def _noted(catalogue: Catalogue) -> tuple[str, str]:
    """Name and hash of the file that is in force; both empty where there is none."""
    name, _, digest = catalogue.setting("compiled", NOT_COMPILED).decode().partition(" ")
    return name, digest


def _hash(reference: Reference) -> str:
    digest = blake3.blake3()
    for piece in compiled_form(reference):
        digest.update(piece)
    return digest.hexdigest()


def _write_compiled(disk: Disk, root: Path, reference: Reference) -> bytes:
    """Compile reference data to the file of their name; the setting that names it."""
    name, half_made = _name(reference.hash), root / REFERENCES / f".{secrets.token_hex(8)}"
    with disk.create(half_made) as file:
        for piece in compiled_form(reference):
            file.write(piece)
    disk.rename(half_made, root / REFERENCES / name)
    disk.sync_folder(root / REFERENCES)
    return f"{name} {_hash(reference)}".encode()


def _read_compiled(place: Place, reference_hash: str) -> Reference | None:
    """What was compiled of reference data; None where that was not done, or not in this form."""
    name, digest = _noted(place.catalogue)
    path = place.root / REFERENCES / name
    if name != _name(reference_hash):
        return None
    try:
        content = place.disk.open(path).mapped()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TemporaryError(f"{path}: cannot be read: {error.strerror}; try again") from error
    if blake3.blake3(content).hexdigest() != digest:
        raise InvariantError(f"{path}: not what was written: remove it, and it is made anew")
    return reference_of(content)


def _copy_once(disk: Disk, source: Path, target: Path) -> None:
    if disk.exists(target):
        disk.sync_folder(target.parent)  # whoever has made it may have died before that
        return
    half_made = target.with_name(f".{secrets.token_hex(8)}")
    disk.make_folder(half_made)
    folders = [half_made]
    for path in sorted(source.rglob("*")):
        copy = half_made / path.relative_to(source)
        if path.is_dir():
            disk.make_folder(copy)
            folders.append(copy)
        else:
            with disk.create(copy) as file:
                file.write(path.read_bytes())
    for folder in reversed(folders):
        disk.sync_folder(folder)
    disk.rename(half_made, target)
    disk.sync_folder(target.parent)
