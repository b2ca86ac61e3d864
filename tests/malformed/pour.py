"""Pours files through the decoder and keeps nothing: what the bounds of memory and work are measured on."""

from __future__ import annotations

from mediation.decode.decode import decode_chunk
from mediation.decode.layout import layout_of
from mediation.decode.source import CHUNK_BYTES
from mediation.errors import SourceRefused


def pour(path, feed, *, chunk_bytes=CHUNK_BYTES, keep=None) -> str:
    """What came of a file: ``closed``, ``open`` where bytes are unaccounted for, or the code of its refusal.

    Parameters
    ----------
    keep : list, optional
        Is given every piece's rows and rejects, as a reader without bounds would have it.
    """
    layout = layout_of(feed, None)
    columns = len(layout.control_columns)
    records = accounted = 0
    try:
        with layout.source(path, feed, layout, feed.declared.limits, chunk_bytes=chunk_bytes) as source:
            for piece in source:
                found = decode_chunk(source.layout, piece, 0)
                found.number(records)
                records += found.records
                accounted += found.record_bytes + found.undecodable_bytes + found.filler_bytes
                if keep is not None:
                    keep.append((piece, found))
            source.verify(records, [0] * columns, [1] * columns)
    except SourceRefused as refusal:
        return refusal.code
    accounted += source.header_bytes + source.trailer_bytes + source.filler_bytes
    return "closed" if accounted == source.bytes_in else "open"
