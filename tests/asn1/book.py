"""Everything that decoding a file of ASN.1 says, by a little book of one feed in a format that the package knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import mediation
from mediation.rulebook import load_rulebook
from tests.decode_book import toml
from tests.tap_book import book_files


def book_of(folder: Path, form: str, **layout: Any):
    """A loaded book whose one feed `t` takes any file of a format."""
    lines = ['file_name = "*"', 'host = "h"', "[[layout]]", "from = 2000-01-01", f'format = "{form}"']
    lines += [f"{key} = {toml(value)}" for key, value in layout.items()]
    for name, content in book_files("\n".join(lines) + "\n").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return load_rulebook(folder)


class Decoded(NamedTuple):
    """Rows, rejects and the certificate of one file; `code` says why it was refused."""

    usage: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    classes: dict[str, int]
    bytes_in: int
    records_in: int
    code: str | None


def decoded(path: Path, book) -> Decoded:
    """Decode a file by the public card; a certificate that does not close is an error of its own."""
    stream = mediation.stream([path], book, threads=1, through="decode")
    usage, rejects = [], []
    for batch in stream:
        usage += [] if batch.usage is None else batch.usage.to_pylist()
        rejects += [] if batch.rejects is None else batch.rejects.to_pylist()
    (audit,) = stream.audit.sources
    return Decoded(usage, rejects, dict(audit.classes), audit.bytes_in, audit.counts["records_in"][0], audit.code)
