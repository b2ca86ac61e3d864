"""Every column of a batch reduced to one number, so that a stream can be checked and nothing of it kept.

Conventions
-----------
- Numbers and instants are added up, text becomes its bytes, a code its place in the dictionary.
- Integer sums are modulo 2^64, as Arrow adds them; decimals are added in 128 bits.
"""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

WORDS = {64: pa.int64(), 32: pa.int32()}


def fold_array(array: pa.Array) -> int | Decimal:
    """One number that depends on every value of the array."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.indices
    elif pa.types.is_temporal(kind):
        array = array.view(WORDS[kind.bit_width])
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        array = pc.binary_length(array)
    return pc.sum(array).as_py() or 0


def fold_columns(table: pa.Table) -> dict[str, int | Decimal]:
    """Column -> its sum, for all columns of a table."""
    return {
        name: sum(map(fold_array, column.chunks))
        for name, column in zip(table.column_names, table.itercolumns(), strict=True)
    }
