"""The first stage: a file's bytes to typed usage, and a reject for every record that is not valid.

Conventions
-----------
- A file is a transaction: `decode` reads it whole and checks its control totals before it returns anything.
- Pieces of a file are independent: `decode_chunk` may run on them in any order, or at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import pyarrow as pa

from mediation import schema
from mediation.decode._text import Decoded, Text
from mediation.decode.filesource import Chunk, Stretch
from mediation.decode.layout import CompiledLayout, layout_of
from mediation.errors import UsageError
from mediation.rulebook.bare import bare_feed

if TYPE_CHECKING:
    from collections.abc import Collection
    from os import PathLike

    from mediation.decode.ber.nested import NestedLayout
    from mediation.rulebook import FeedBook


def decode_chunk(layout: CompiledLayout, chunk: Chunk | Stretch, source_id: int) -> Decoded:
    """Decodes one piece of a file; record numbers count from the piece's begin until `Decoded.number`.

    Parameters
    ----------
    layout : CompiledLayout
    chunk : Chunk or Stretch
        As the layout's source yields them.
    source_id : int
    """
    if isinstance(chunk, Chunk):
        return layout.decode(layout.plan, chunk, source_id)
    return stretch(layout, chunk, source_id)


def stretch(layout: CompiledLayout, piece: Stretch, source_id: int) -> Decoded:
    """An undecodable stretch: one record in, one rejected."""
    text = Text(max(len(piece.raw), 1))
    memoryview(text)[: len(piece.raw)] = piece.raw
    return layout.plan.undecodable(text, len(piece.raw), piece.code, piece.byte_offset, piece.length, source_id)


def nested_layout_of(feed: FeedBook, layout: CompiledLayout, nested: bool | Collection[str]) -> NestedLayout | None:
    """A layout's nested table, ready to be filled; None when it is not asked for.

    Raises
    ------
    UsageError
        Its records are not nested, or have no such member.
    """
    if nested is False:
        return None
    if isinstance(nested, str):
        raise UsageError(f"nested takes a list of members: [{nested!r}]")
    if layout.declared.ber is None:
        raise UsageError(f"feed {feed.name} has records of the format {layout.declared.format}: only BER is nested")
    from mediation.decode.ber.nested import nested_layout  # only who asks for it pays for its tables

    return nested_layout(feed, layout.declared, None if nested is True else tuple(nested))


@overload
def decode(
    path: str | PathLike[str], feed: FeedBook | str, *, nested: Literal[False] = False
) -> tuple[pa.Table, pa.Table]: ...
@overload
def decode(
    path: str | PathLike[str], feed: FeedBook | str, *, nested: Literal[True] | Collection[str]
) -> tuple[pa.Table, pa.Table, pa.Table]: ...
def decode(
    path: str | PathLike[str], feed: FeedBook | str, *, nested: bool | Collection[str] = False
) -> tuple[pa.Table, ...]:
    """Decodes one file.

    Parameters
    ----------
    path : path-like
        A plain, gzip or zstd file, whose name follows the feed's template or not.
    feed : FeedBook or str
        Of a loaded rule book: ``book.feeds[name]``; or, without one, the name of a format that the package knows:
        ``tap3``, ``nrtrde``, ``rap``, ``ts32298``.
    nested : bool or collection of str
        Give the format's own nested table too, where its records are nested (BER): with all of the records' members,
        or with those that are named.

    Returns
    -------
    usage : pyarrow.Table
        The book's usage columns, one row per valid record and item; ``source_id`` is 0. Of a format its own columns,
        which for ``rap`` are no usage but what the file returns.
    rejects : pyarrow.Table
        `schema.REJECTS`, one row per record that is not valid.
    nested : pyarrow.Table
        Only when asked for: one row per valid record, with the members that the standard gives it, structs and lists
        as they stand there; joined to usage by ``source_id`` and ``record_no``. `record` says which kind of record it
        is, `left_out` how many of its elements the row does not have.

    Raises
    ------
    SourceRefused
        The file as a whole cannot be accepted; ``code`` says why.
    UsageError
        `nested` is asked for, and the feed's records are not, or have no such member.
    """
    if isinstance(feed, str):
        feed = bare_feed(feed)
    match = feed.template.match(str(path).rpartition("/")[2])
    layout = layout_of(feed, match.date if match else None)
    deep = nested_layout_of(feed, layout, nested)
    usage: list[pa.RecordBatch] = []
    rejects: list[pa.RecordBatch] = []
    nests: list[pa.RecordBatch] = []
    records = 0
    sums = [0] * len(layout.control_columns)
    unreadable = [0] * len(layout.control_columns)
    with layout.source(path, feed, layout, feed.declared.limits) as source:
        for chunk in source:
            decoded = decode_chunk(source.layout, chunk, 0)
            decoded.number(records)
            records += decoded.records
            sums = [a + b for a, b in zip(sums, decoded.control_sums, strict=True)]
            unreadable = [a + b for a, b in zip(unreadable, decoded.unreadable, strict=True)]
            usage.append(pa.record_batch(decoded.usage))
            rejects.append(pa.record_batch(decoded.rejects))
            if deep is not None and isinstance(chunk, Chunk):
                nests.append(deep.decode(chunk, decoded))
        source.verify(records, sums, unreadable)
    fields = pa.schema(list(feed.book.usage_columns.items()))
    flat = pa.Table.from_batches(usage, fields), pa.Table.from_batches(rejects, schema.schema(schema.REJECTS))
    return flat if deep is None else (*flat, pa.Table.from_batches(nests, deep.schema))
