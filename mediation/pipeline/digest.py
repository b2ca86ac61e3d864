"""A digest of a table's values: the same for the same rows in the same order, however they are cut.

Conventions
-----------
- Rows are hashed in fixed blocks, which any thread may take: what a block holds depends on the rows alone.
- Per column of a block three streams are hashed: where nulls stand, values (0 under a null), and for text lengths and
  bytes. Codes are hashed as codes, with the dictionary's values; a decimal is its 8 low bytes.
- Hashes over the columns' hashes, then over names, types, rows and the blocks in order: BLAKE3 in a workspace, whose
  results somebody might wish to be others, and XXH3 in a run alone (`HASHES`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mediation.decode.bytestream import HASHES

BLOCK_ROWS = 1 << 17


class TableDigest:
    """The digest of a table whose blocks are hashed one by one, by any thread and in any order.

    Parameters
    ----------
    schema : pyarrow.Schema
    hash_name : str
        One of `HASHES`.
    """

    def __init__(self, schema: pa.Schema, hash_name: str):
        self._hash = HASHES[hash_name]
        kinds = ("code" if pa.types.is_dictionary(field.type) else str(field.type) for field in schema)
        self._head = "\0".join(f"{name}\0{kind}" for name, kind in zip(schema.names, kinds, strict=True)).encode()
        self._blocks: dict[int, tuple[int, bytes]] = {}

    def put(self, number: int, block: pa.Table) -> None:
        """Hash block `number`: rows `number * BLOCK_ROWS` and after; only the last one may have fewer."""
        self._blocks[number] = block.num_rows, block_digest(block, self._hash)

    def put_all(self, table: pa.Table, each=map) -> None:
        """Hash a whole table; `each` may be an executor's map."""
        starts = range(0, table.num_rows, BLOCK_ROWS)
        for _ in each(lambda at: self.put(at // BLOCK_ROWS, table.slice(at, BLOCK_ROWS)), starts):
            pass

    def digest(self) -> bytes:
        """The digest of all blocks."""
        blocks = [block for _, block in sorted(self._blocks.items())]
        total = self._hash(self._head)
        total.update(sum(rows for rows, _ in blocks).to_bytes(8, "little"))
        for _, block in blocks:
            total.update(block)
        return total.digest()


def block_digest(block: pa.Table, hasher: Any) -> bytes:
    """The digest of a block's values."""
    total = hasher()
    for column in block.columns:
        total.update(_column_digest(column, hasher))
    return total.digest()


def digest_of_all(digests: list[TableDigest], hash_name: str) -> str:
    """One digest of several tables, in hexadecimal digits."""
    total = HASHES[hash_name]()
    for each in digests:
        total.update(each.digest())
    return total.hexdigest()


def _column_digest(column: pa.ChunkedArray, hasher: Any) -> bytes:
    nulls, values, texts, dictionary = (hasher() for _ in range(4))
    at = 0
    for array in column.chunks:
        if array.null_count:
            nulls.update((np.flatnonzero(~_valid(array)) + at).astype("<i8").view(np.uint8))
        if isinstance(array, pa.DictionaryArray):
            if at == 0:
                dictionary.update("\0".join(array.dictionary.to_pylist()).encode())
            array = array.indices
        at += len(array)
        if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
            _add_text(array, values, texts)
        elif len(array):
            values.update(_values(array))
    return b"".join(part.digest() for part in (nulls, values, texts, dictionary))


def _values(array: pa.Array):
    kind = array.type
    if pa.types.is_fixed_size_binary(kind):
        return _slots(array, kind.byte_width).reshape(-1)
    if pa.types.is_decimal(kind):
        values = _slots(array, 16).view("<i8")[:, 0]
    else:
        width = kind.bit_width // 8
        values = _slots(array, width).view(f"<i{width}")[:, 0]
    if array.null_count:
        values = np.where(_valid(array), values, values.dtype.type(0))
    return np.ascontiguousarray(values).view(np.uint8)


def _slots(array: pa.Array, width: int) -> np.ndarray:
    data = array.buffers()[1]
    return np.frombuffer(data, np.uint8, len(array) * width, array.offset * width).reshape(-1, width)


def _add_text(array: pa.Array, values, texts) -> None:
    if not len(array):
        return
    lengths, places, data = _texts(array)
    if array.null_count and np.logical_and(lengths, ~_valid(array)).any():  # bytes under a null: nobody's value
        lengths, places, data = _texts(array.fill_null("" if pa.types.is_string(array.type) else b""))
    values.update(lengths.view(np.uint8))
    if data is not None:
        texts.update(memoryview(data)[int(places[0]) : int(places[-1])])


def _texts(array: pa.Array) -> tuple[np.ndarray, np.ndarray, pa.Buffer | None]:
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, "<i4", len(array) + 1, array.offset * 4)
    return np.diff(places), places, data


def _valid(array: pa.Array) -> np.ndarray:
    """Of an array with nulls; bits by hand: importing pyarrow.compute takes longer than a small run's rows."""
    first, end = array.offset // 8, (array.offset + len(array) + 7) // 8
    bits = np.frombuffer(array.buffers()[0], np.uint8, end - first, first)
    return np.unpackbits(bits, bitorder="little")[array.offset % 8 :][: len(array)].view(bool)
