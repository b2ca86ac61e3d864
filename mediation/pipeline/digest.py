"""A digest of a table's values: the same for the same rows in the same order, however they are cut.

Conventions
-----------
- Per column three streams are hashed: where nulls stand, values (0 under a null), and for text lengths and bytes.
- Codes are hashed as codes, with the dictionary's values once; a decimal is its 8 low bytes.
- BLAKE3, hex, over the columns' hashes with their names and types and the number of rows.
"""

from __future__ import annotations

import blake3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class ColumnDigest:
    """The running hash of one column."""

    def __init__(self, name: str, kind: pa.DataType):
        self.name, self.kind = name, kind
        self.nulls, self.values, self.bytes = blake3.blake3(), blake3.blake3(), blake3.blake3()
        self.dictionary: bytes | None = None

    def add(self, array: pa.Array, at: int) -> None:
        """Add the values of rows `at` and after."""
        if array.null_count:
            valid = array.is_valid().to_numpy(zero_copy_only=False)
            self.nulls.update((np.flatnonzero(~valid) + at).astype("<i8").tobytes())
        if isinstance(array, pa.DictionaryArray):
            if self.dictionary is None:
                self.dictionary = "\0".join(array.dictionary.to_pylist()).encode()
            array = array.indices
        kind = array.type
        if pa.types.is_string(kind) or pa.types.is_binary(kind):
            self._add_text(array)
        elif pa.types.is_fixed_size_binary(kind):
            width = kind.byte_width
            self.values.update(self._data(array)[array.offset * width : (array.offset + len(array)) * width])
        elif pa.types.is_decimal(kind):
            low = np.frombuffer(self._data(array), "<i8").reshape(-1, 2)[array.offset : array.offset + len(array), 0]
            values = np.where(_valid(array), low, 0) if array.null_count else np.ascontiguousarray(low)
            self.values.update(values.view(np.uint8))
        else:
            self._add_numbers(array)

    def _data(self, array: pa.Array) -> memoryview:
        return memoryview(array.buffers()[1] or b"")

    def _add_numbers(self, array: pa.Array) -> None:
        kind = array.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            array = array.view(pa.int64() if kind.bit_width == 64 else pa.int32())
        if array.null_count:
            array = array.fill_null(0)
        self.values.update(np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).view(np.uint8))

    def _add_text(self, array: pa.Array) -> None:
        if array.null_count:
            array = array.fill_null("" if pa.types.is_string(array.type) else b"")
        _, offsets, data = array.buffers()
        places = np.frombuffer(offsets, "<i4")[array.offset : array.offset + len(array) + 1] if len(array) else None
        if places is not None:
            self.values.update(np.diff(places).view(np.uint8))
            if data is not None:
                self.bytes.update(memoryview(data)[int(places[0]) : int(places[-1])])

    def finish(self) -> bytes:
        """Name, type and hashes."""
        kind = "code" if pa.types.is_dictionary(self.kind) else str(self.kind)
        total = blake3.blake3(f"{self.name}\0{kind}\0".encode())
        for part in (self.nulls, self.values, self.bytes, blake3.blake3(self.dictionary or b"")):
            total.update(part.digest())
        return total.digest()


def _valid(array: pa.Array) -> np.ndarray:
    return pc.is_valid(array).to_numpy(zero_copy_only=False)


class TableDigest:
    """The running digest of a table that comes in pieces."""

    def __init__(self, schema: pa.Schema):
        self.columns = [ColumnDigest(field.name, field.type) for field in schema]
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Add the next rows."""
        for digest, column in zip(self.columns, table.columns, strict=True):
            at = self.rows
            for chunk in column.chunks:
                if len(chunk):
                    digest.add(chunk, at)
                at += len(chunk)
        self.rows += table.num_rows

    def digest(self) -> bytes:
        """The digest of all rows so far."""
        total = blake3.blake3(self.rows.to_bytes(8, "little"))
        for column in self.columns:
            total.update(column.finish())
        return total.digest()
