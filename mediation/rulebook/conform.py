"""Any Arrow table of usage as batches with the rule book's types and codes.

Conventions
-----------
- Only the usage columns of the rule book are kept, in its order; a column that the table does not have is left out.
- Text may come as utf8, large_utf8, string_view or a dictionary of these; codes likewise, with any dictionary in any
  order. Integers may have any width. An instant must have a zone. Nothing is rounded, wrapped or guessed.
- Rows keep their order; batches follow the table's chunks and have at most `BATCH_ROWS` rows.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import pyarrow as pa

from mediation.errors import UsageError
from mediation.native._column import Batch

BATCH_ROWS = 1 << 20


def as_table(source: Any) -> pa.Table:
    """The table that an Arrow object exports, without a copy.

    Raises
    ------
    UsageError
        `source` has neither ``__arrow_c_stream__`` nor ``__arrow_c_array__``.
    """
    if isinstance(source, pa.Table):
        return source
    if hasattr(source, "__arrow_c_stream__"):
        return pa.table(source)
    if hasattr(source, "__arrow_c_array__"):
        return pa.Table.from_batches([pa.record_batch(source)])
    raise UsageError(f"{type(source).__name__} is no Arrow table: it has no __arrow_c_stream__ or __arrow_c_array__")


def conform(table: Any, book: Any, columns: Container[str] | None = None, *, strict: bool = True) -> list[Batch]:
    """Usage as batches that every kernel reads.

    Parameters
    ----------
    table : Arrow object
        With ``__arrow_c_stream__`` or ``__arrow_c_array__``.
    book : Rulebook
        Its `usage_columns` and `dictionaries` say what the columns become.
    columns : container of str, optional
        Only these.
    strict : bool
        Whether a value that the rule book's dictionary does not have is an error; otherwise it becomes null.

    Returns
    -------
    list of Batch
        At least one, perhaps without rows.

    Raises
    ------
    UsageError
        A column can not be read as its type without loss. Values are never shown.
    """
    source = as_table(table)
    names = [
        name for name in book.usage_columns if name in source.column_names and (columns is None or name in columns)
    ]
    made = []
    for name in names:
        target = book.usage_columns[name]
        values = pa.array(book.dictionaries[name], pa.utf8()) if pa.types.is_dictionary(target) else None
        chunks = [
            _conform_chunk(chunk.slice(at, BATCH_ROWS), name, target, values, strict)
            for chunk in source.column(name).chunks
            for at in range(0, len(chunk), BATCH_ROWS)
        ]
        made.append(pa.chunked_array(chunks, target if values is None else pa.dictionary(pa.int16(), pa.utf8())))
    if not names:
        raise UsageError("the table has no usage column of the rule book")
    batches = pa.table(made, names=names).to_batches(max_chunksize=BATCH_ROWS)
    if not batches:
        batches = [pa.record_batch([column.combine_chunks() for column in made], names=names)]
    return [Batch.of(batch) for batch in batches]


def _conform_chunk(chunk: pa.Array, name: str, target: pa.DataType, values: pa.Array | None, strict: bool) -> pa.Array:
    try:
        if values is not None:
            return _recode(chunk, name, values, strict)
        return _cast(chunk, name, target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        raise UsageError(f"column {name} is {chunk.type}, and a value of it can not become {target}") from None


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _cast(chunk: pa.Array, name: str, target: pa.DataType) -> pa.Array:
    kind = chunk.type
    if pa.types.is_dictionary(kind):
        chunk, kind = chunk.dictionary_decode(), kind.value_type
    if kind == target:
        return chunk
    if pa.types.is_null(kind):
        return pa.nulls(len(chunk), target)
    if pa.types.is_timestamp(target) and (not pa.types.is_timestamp(kind) or kind.tz is None):
        raise UsageError(f"column {name} is {kind}; an instant needs a zone, such as timestamp[us, tz=UTC]")
    if _is_text(kind) != pa.types.is_string(target):
        raise UsageError(f"column {name} is {kind}, not {target}")
    return chunk.cast(target)


def _recode(chunk: pa.Array, name: str, values: pa.Array, strict: bool) -> pa.Array:
    import pyarrow.compute as pc

    if pa.types.is_null(chunk.type):
        indices = pa.nulls(len(chunk), pa.int16())
    elif pa.types.is_dictionary(chunk.type):
        if chunk.type.index_type == pa.int16() and chunk.dictionary.equals(values):
            return chunk
        places = pc.index_in(_text(chunk.dictionary, name), value_set=values)
        indices = places.take(chunk.indices)
    else:
        indices = pc.index_in(_text(chunk, name), value_set=values)
    if strict and indices.null_count > chunk.null_count:
        raise UsageError(f"column {name} has values that the rule book does not know")
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int16()), values)


def _text(values: pa.Array, name: str) -> pa.Array:
    if not _is_text(values.type):
        raise UsageError(f"column {name} has values of type {values.type}, not text")
    return values if pa.types.is_string(values.type) else values.cast(pa.utf8())
