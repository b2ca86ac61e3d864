"""Writing Parquet: the encoding of the run against pyarrow's default, on the same rated rows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def encodings(table: pa.Table) -> dict:
    """Byte-stream split for numbers, a dictionary for codes, as published files are written."""
    codes = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    split = {
        field.name: "BYTE_STREAM_SPLIT"
        for field in table.schema
        if pa.types.is_integer(field.type) or pa.types.is_decimal(field.type) or pa.types.is_timestamp(field.type)
    }
    return {"use_dictionary": codes, "column_encoding": split, "store_decimal_as_integer": True}


@pytest.mark.parametrize("way", ["default", "split"])
def test_write(benchmark, rated, tmp_path, way):
    options = encodings(rated) if way == "split" else {}
    path = tmp_path / "rated.parquet"
    benchmark(pq.write_table, rated, path, compression="zstd", compression_level=1, **options)
    benchmark.extra_info["rows"] = rated.num_rows
    benchmark.extra_info["bytes_per_row"] = path.stat().st_size / rated.num_rows
