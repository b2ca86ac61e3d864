"""Sources: every byte accounted for, compression within caps, envelopes, and files that no honest sender would send."""

from __future__ import annotations

import datetime as dt
import errno
import gzip
import itertools
import os
import random
import socket
import tracemalloc

import blake3
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation.decode import envelope
from mediation.decode.compressed import compression_of
from mediation.decode.decode import decode_chunk
from mediation.decode.layout import layout_of
from mediation.decode.source import Chunk, Source, Stretch
from mediation.errors import NoInputError, SourceRefused, TemporaryError, UsageError
from mediation.rulebook.book import Rulebook
from mediation.rulebook.model import (
    Book,
    ControlSum,
    Declarations,
    Envelope,
    Feed,
    Field,
    Layout,
    Service,
    Slot,
    SourceLimits,
)

NAME = "cdr_20260110_0007.txt"
SUMS = [ControlSum(column="host_charge_amount", position=3, unit="fen")]
HEADER = Envelope(starts_with="H|", date=Slot(position=2), sequence=Slot(position=3))
TRAILER = Envelope(starts_with="T|", record_count=Slot(position=2))
FIELDS = [Field(type="text", column="other_party"), Field(type="decimal", column="host_charge_amount", unit="fen")]


def layout(**more):
    return Layout(
        **{"valid_from": dt.date(2026, 1, 1), "format": "delimited", "max_record_bytes": 40, "field": FIELDS} | more
    )


def opened(path, declared=None, limits=None, chunk_bytes=160, compression="auto"):
    feed = Feed(
        file_name="cdr_{date}_{sequence}.txt",
        layout=[declared or layout()],
        compression=compression,
        host="cmcc",
        record_type="sms_mo",
    )
    services = {"sms": Service(record_types=["sms_mo"], quantity="event_count")}
    book = Book(name="small", zone="Asia/Shanghai", account="served_msisdn", city="none", services=services)
    whole = Rulebook(
        Declarations(book=book, feeds={"north": feed}, hosts={}, products={}, prices=[], zones=[], calendars=[])
    )
    north = whole.feeds["north"]
    return Source(path, north, layout_of(north, None), limits or SourceLimits(), chunk_bytes=chunk_bytes)


def read(src):
    """All pieces as (offset, bytes or Stretch)."""
    pieces = []
    with src:
        for piece in src:
            if isinstance(piece, Stretch):
                pieces.append((piece.byte_offset, piece))
            else:
                assert isinstance(piece, Chunk)
                assert piece.length > 0
                with memoryview(piece.text) as view:
                    pieces.append((piece.byte_offset, bytes(view[piece.begin : piece.begin + piece.length])))
    return pieces


def check_account(src, pieces, data):
    """Every byte is in one place, and in order."""
    assert src.bytes_in == len(data)
    assert src.content_hash == blake3.blake3(data).hexdigest()
    inside = previous = 0
    for offset, piece in pieces:
        assert offset >= previous
        if isinstance(piece, Stretch):
            assert data[offset : offset + len(piece.raw)] == piece.raw
            previous = offset + piece.length
        else:
            assert data[offset : offset + len(piece)] == piece
            previous = offset + len(piece)
        inside += previous - offset
    assert inside + src.header_bytes + src.trailer_bytes + src.filler_bytes == len(data)


def refused(code, path, *args, verify=None, **more):
    with pytest.raises(SourceRefused) as caught:
        src = opened(path, *args, **more)
        try:
            read(src)
            src.verify(*(verify or (0, [0], [0])))
        finally:
            src.close()
    assert caught.value.code == code


@pytest.fixture
def write(tmp_path):
    def put(data, name=NAME):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return put


def squeezed(data, how, parts=1):
    cuts = [len(data) * i // parts for i in range(parts + 1)]
    pack = {"none": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor(write_checksum=True).compress}[how]
    return b"".join(pack(data[a:b]) for a, b in itertools.pairwise(cuts))


# ------------------------------------------------------------------------------------------------ cutting


lines = st.lists(st.binary(max_size=130).map(lambda b: b.replace(b"\n", b"")), max_size=30)


@settings(max_examples=150)
@given(lines=lines, ended=st.booleans(), chunk=st.integers(160, 400), how=st.sampled_from(["none", "gzip", "zstd"]))
def test_every_byte_is_in_one_place(tmp_path_factory, lines, ended, chunk, how):
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    if compression_of(data[:4]) != "none":
        return
    path = tmp_path_factory.mktemp("s") / NAME
    path.write_bytes(squeezed(data, how, 3))
    src = opened(path, layout(encoding="ascii"), chunk_bytes=chunk)
    pieces = read(src)
    check_account(src, pieces, data)
    assert src.compression == how
    for offset, piece in pieces:
        assert offset == 0 or data[offset - 1] == 0x0A
        if isinstance(piece, Stretch):
            assert piece.length > 40
            assert b"\n" not in data[offset : offset + piece.length - 1]
    src.verify(0, [], [])
    assert src.sum_verified is None


@settings(max_examples=200)
@given(
    lines=st.lists(st.sampled_from([b"", b"", b"a|1", b"bb|22", b"x" * 39, b"y" * 90, b"T|9"]), max_size=40),
    empties=st.integers(0, 3),
    ended=st.booleans(),
    chunk=st.integers(160, 260),
    crlf=st.booleans(),
)
def test_the_trailer_is_the_last_record(tmp_path_factory, lines, empties, ended, chunk, crlf):
    feed = b"\r\n" if crlf else b"\n"
    data = b"".join(line + feed for line in [b"", b"H|20260110|7", *lines, b"T|5", *[b""] * empties])
    if not ended and not empties:
        data = data.removesuffix(feed)
    path = tmp_path_factory.mktemp("s") / NAME
    path.write_bytes(data)
    src = opened(path, layout(header=HEADER, trailer=TRAILER, terminator="crlf" if crlf else "lf"), chunk_bytes=chunk)
    pieces = read(src)
    check_account(src, pieces, data)
    assert src.header_bytes == len(b"H|20260110|7" + feed)
    assert src.trailer_bytes == len(b"T|5" + (b"" if not ended and not empties else feed))
    assert src.held
    src.verify(5, [], [])


def test_quoted_records_and_a_stray_quote_before_the_trailer(write):
    quoted = layout(quote='"', trailer=TRAILER, header=HEADER)
    rows = [b'"a\nb","1"'.replace(b",", b"|")] * 50
    data = b"\n".join([b'"H|"|x'.replace(b"H|", b"H"), b""])  # a header without its delimiter is none
    refused("header_missing", write(data), quoted)
    for last in ([], [b'"stray|1']):
        data = b"\n".join([b"H|20260110|7", *rows, *last, b"T|50", b""])
        src = opened(write(data), quoted)
        pieces = read(src)
        check_account(src, pieces, data)
        assert src.trailer_bytes == 5
        src.verify(50, [], [])
        for _, piece in pieces[:-1]:
            assert piece.count(b'"') % 4 == 0


def decoded_in_pieces(path, declared, chunk_bytes):
    """Records, bytes by kind, and all rows by byte offset."""
    src, found, records, size = opened(path, declared, chunk_bytes=chunk_bytes), [], 0, 0
    with src:
        for piece in src:
            decoded = decode_chunk(src.layout, piece, 0)
            decoded.number(records)
            records += decoded.records
            size += decoded.record_bytes + decoded.undecodable_bytes + decoded.filler_bytes
            for batch in (decoded.usage, decoded.rejects):
                found += [tuple(row.values())[1:] for row in pa.record_batch(batch).to_pylist()]
    assert size + src.trailer_bytes + src.filler_bytes == src.bytes_in
    return records, src.trailer_bytes, sorted(found, key=lambda row: row[0])


@settings(max_examples=60)
@given(
    lines=st.lists(
        st.sampled_from([b"", b"a|1", b"bb|22", b"x" * 40, b"x|" + b"1" * 300, b'"q|1', b'"a\nb"|3']), max_size=60
    ),
    quote=st.sampled_from([None, '"']),
    ended=st.booleans(),
    trailer=st.booleans(),
)
def test_cutting_elsewhere_changes_nothing(tmp_path_factory, lines, quote, ended, trailer):
    lines = [*lines, b"T|1"] if trailer else lines
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    path = tmp_path_factory.mktemp("s") / NAME
    path.write_bytes(data)
    declared = layout(quote=quote, trailer=TRAILER if trailer else None)
    whole = decoded_in_pieces(path, declared, 1 << 20)
    for chunk_bytes in (160, 167, 251):
        assert decoded_in_pieces(path, declared, chunk_bytes) == whole


def test_a_broken_quote_has_one_code(write):
    path = write(b"\n".join([b"x" * 40] * 3 + [b'"q|1', b'"q|1', b"x" * 40]))
    declared = layout(quote='"')
    assert decoded_in_pieces(path, declared, 160) == decoded_in_pieces(path, declared, 1 << 20)


def test_byte_order_mark_is_filler(write):
    data = b"\xef\xbb\xbfH|20260110|7\na|1\n"
    src = opened(write(data), layout(header=HEADER))
    assert not src.held
    assert read(src) == [(3 + 13, b"a|1\n")]
    assert src.filler_bytes == 3
    src = opened(write(data), layout(encoding="gb18030"))
    assert read(src) == [(0, data)]


def test_records_without_terminators(write):
    fixed = {"format": "fixed", "terminator": "none", "record_length": 8, "max_record_bytes": 8}
    slot = Slot(start=3, width=6)
    fields = [Field(type="text", column="other_party", start=1, width=8)]
    declared = layout(
        **fixed,
        field=fields,
        header=Envelope(starts_with="H|", sequence=slot),
        trailer=Envelope(starts_with="T|", record_count=slot),
    )
    data = b"H|000007" + b"abcdefgh" * 100 + b"T|000100"
    src = opened(write(data), declared, chunk_bytes=64)
    pieces = read(src)
    check_account(src, pieces, data)
    assert all(len(piece) % 8 == 0 for _, piece in pieces)
    src.verify(100, [], [])
    refused("trailer_missing", write(data[:-1]), declared)
    refused("header_missing", write(b"X|0"), declared)


@pytest.mark.parametrize("how", ["none", "gzip", "zstd"])
def test_a_line_without_end_takes_no_memory(write, how):
    size = 64 << 20
    data = b"a|1\n" + b"x" * size + b"\nb|2\n"
    path = write(squeezed(data, how))
    src = opened(path, limits=SourceLimits(max_ratio=10**6), chunk_bytes=1 << 16)
    del data
    tracemalloc.start()
    pieces = read(src)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pieces == [(0, b"a|1\n"), (4, Stretch(4, size + 1, b"x" * 40, "record_too_long")), (size + 5, b"b|2\n")]
    assert peak < 4 << 20


# -------------------------------------------------------------------------------------------- compression


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_damage_anywhere_is_refused(write, how):
    rng = random.Random(7)
    data = b"".join(b"%d|%d\n" % (rng.randrange(10**12), i) for i in range(3000))
    packed = squeezed(data, how, 2)
    src = opened(write(packed))
    check_account(src, read(src), data)
    for cut in [*range(1, 40), *rng.sample(range(40, len(packed)), 60), *range(len(packed) - 12, len(packed))]:
        if cut < (4 if how == "zstd" else 2):
            continue  # no magic is left: text
        if cut == len(squeezed(data[: len(data) // 2], how)):
            continue
        refused("damaged_compression", write(packed[:cut]))
    refused("damaged_compression", write(packed + b"x"))
    refused("damaged_compression", write(packed + b"a line\n" * 9))
    for at in rng.sample(range(len(packed) // 2 + 20, len(packed)), 40):
        flipped = bytearray(packed)
        flipped[at] ^= 1 << rng.randrange(8)
        refused("damaged_compression", write(bytes(flipped)))


def test_zeros_may_follow_gzip_only(write):
    src = opened(write(squeezed(b"a|1\n", "gzip") + bytes(600_000)))
    assert read(src) == [(0, b"a|1\n")]
    refused("damaged_compression", write(squeezed(b"a|1\n", "zstd") + bytes(8)))
    refused("damaged_compression", write(squeezed(b"a|1\n", "gzip") + bytes(600_000) + b"1"))


def test_zstd_frames_of_every_shape(write):
    data = os.urandom(70_000).hex().encode() + b"\n" + b"z" * 400_000 + b"\n"
    compressors = [
        zstandard.ZstdCompressor(write_content_size=size, write_checksum=check, level=level)
        for size in (False, True)
        for check in (False, True)
        for level in (1, 19)
    ]
    skip = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    packed = skip + b"".join(c.compress(data) + skip for c in compressors) + compressors[0].compress(b"")
    streamed = zstandard.ZstdCompressor().compressobj()
    packed += streamed.compress(data) + streamed.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) + streamed.flush()
    src = opened(write(packed))
    check_account(src, read(src), data * 9)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_bombs(write, how):
    bomb = write(squeezed(b"a|1\n" + bytes(200 << 20), how))
    refused("compression_ratio_too_high", bomb, chunk_bytes=1 << 16)
    refused("too_many_bytes", bomb, limits=SourceLimits(max_bytes=1 << 20))
    refused("too_many_members", write(squeezed(b"a|1\n" * 50, how, 20)), limits=SourceLimits(max_members=19))
    refused("too_many_members", write(squeezed(b"", how) * 2000))
    for inner in ("gzip", "zstd"):
        refused("nested_compression", write(squeezed(squeezed(b"a|1\n", inner), how)))
    refused("too_many_bytes", write(b"a|1\n" * 100), limits=SourceLimits(max_bytes=399))


def test_compression_as_declared(write):
    for declared in ("none", "gzip", "zstd"):
        for found in ("none", "gzip", "zstd"):
            path = write(squeezed(b"a|1\n", found))
            if declared == found:
                assert read(opened(path, compression=declared)) == [(0, b"a|1\n")]
            else:
                refused("wrong_compression", path, compression=declared)
    refused("damaged_compression", write(b""), compression="gzip")
    refused("damaged_compression", write(b"", NAME + ".gz"))
    src = opened(write(b""))
    assert read(src) == []
    with pytest.raises(UsageError):
        read(src)  # a source is read once


# ---------------------------------------------------------------------------------------------- envelopes


def test_header_and_trailer_must_be_there(write):
    both = layout(header=HEADER, trailer=TRAILER)
    refused("header_missing", write(b""), both)
    refused("header_missing", write(b"a|1\nT|1\n"), both)
    refused("trailer_missing", write(b"H|20260110|7\n"), both)
    refused("trailer_missing", write(b"H|20260110|7\na|1\n"), both)
    refused("trailer_missing", write(b"H|20260110|7\nT|1\na|1\n"), both)
    refused("trailer_missing", write(b"H|20260110|7\na|1\n" + b"x" * 400), both)
    refused("header_missing", write(b"H|" + b"x" * 500), both)
    src = opened(write(b"x|1\nb|2\n"), both)
    assert read(src) == []  # nothing is decoded, all is hashed
    assert src.content_hash == blake3.blake3(b"x|1\nb|2\n").hexdigest()


def test_header_agrees_with_the_name(write):
    declared = layout(header=HEADER)
    for head in (b"H|20260111|7", b"H|20260110|8", b"H|20260110|", b"H|2026-01-10|7", b"H|20261310|7", b"H|20260110"):
        refused("header_mismatch", write(head + b"\na|1\n"), declared)
    src = opened(write(b"H| 20260110|0007\na|1\n"), declared)
    read(src)
    src.verify(1, [], [])


def test_count_and_sums(write):
    total = Envelope(starts_with="T|", record_count=Slot(position=2), sums=SUMS)
    declared = layout(trailer=total)

    def verify(tail, records, sums, unreadable):
        src = opened(write(b"a|1\n" + tail), declared)
        with pytest.raises(UsageError):
            src.verify(records, sums, unreadable)
        read(src)
        src.verify(records, sums, unreadable)
        return src.sum_verified

    assert verify(b"T|1|150\n", 1, [1_500_000], [0]) is True
    assert verify(b"T|1|150.5", 1, [1_505_000], [0]) is True
    assert verify(b"T|1|-3", 1, [-30_000], [0]) is True
    assert verify(b"T|1|150\n", 1, [0], [1]) is False
    for tail, code in (
        (b"T|1|151", "control_sum_mismatch"),
        (b"T|1|", "control_sum_mismatch"),
        (b"T|1|1e2", "control_sum_mismatch"),
        (b"T|1|150.00001", "control_sum_mismatch"),
        (b"T|1", "control_sum_mismatch"),
        (b"T|2|150", "record_count_mismatch"),
        (b"T||150", "record_count_mismatch"),
        ("T|١|150".encode(), "record_count_mismatch"),
    ):
        refused(code, write(b"a|1\n" + tail), declared, verify=(1, [1_500_000], [0]))


@pytest.mark.parametrize(
    ("unit", "amount", "base"),
    [("min", False, 90), ("KiB", False, 1536), ("kB", False, 1500), ("s", False, None), ("fen", True, 15_000)],
)
def test_units(unit, amount, base):
    control = ControlSum(column="duration_s", position=2, unit=unit)
    values = envelope.EnvelopeValues(layout(), Envelope(starts_with="T|", sums=[control]), b"T|1.5\n")
    assert values.sum(control, amount) == base


def test_quoted_envelope():
    declared = Envelope(starts_with="T", record_count=Slot(position=2))
    values = envelope.EnvelopeValues(layout(quote='"'), declared, b'"T"|"12"|"a|b"\n')
    assert values.integer(Slot(position=2)) == 12
    assert values.text(Slot(position=3)) == "a|b"
    assert envelope.begins(layout(quote='"'), declared, b'"T"|"12"')
    assert envelope.EnvelopeValues(layout(quote='"'), declared, b'"' + b"x" * 200_000).integer(Slot(position=2)) is None


# -------------------------------------------------------------------------------------------------- files


def test_only_regular_files(tmp_path, write):
    link, pipe, sock = tmp_path / "link", tmp_path / "pipe", tmp_path / "socket"
    link.symlink_to(write(b"a|1\n"))
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(sock))
        for path in (link, pipe, sock, tmp_path, "/dev/zero"):
            refused("not_a_regular_file", path)
    with pytest.raises(NoInputError):
        opened(tmp_path / "none")


def test_a_file_that_changes_is_refused(write):
    def append(path):
        with path.open("ab") as file:
            file.write(b"c|3\n")

    for change in (lambda path: os.truncate(path, 900), append, lambda path: os.utime(path, ns=(1, 1))):
        path = write(b"abc|1\n" * 400)
        src = opened(path)
        with src, pytest.raises(SourceRefused) as caught:
            pieces = iter(src)
            next(pieces)
            change(path)
            for _ in pieces:
                pass
        assert caught.value.code == "changed_while_read"
        assert src.content_hash is None


def test_io_errors_are_temporary_and_descriptors_are_closed(write, monkeypatch):
    before = len(os.listdir("/proc/self/fd"))

    def fail(*_):
        raise OSError(errno.EIO, "I/O error")

    for name, how in (("readv", "none"), ("read", "gzip"), ("pread", "none"), ("fstat", "none")):
        path = write(squeezed(b"a|1\n", how))
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(TemporaryError) as caught:
                read(opened(path))
        assert caught.value.exit_code == 75
    refused("wrong_compression", write(b"a|1\n"), compression="gzip")
    assert len(os.listdir("/proc/self/fd")) == before


def test_messages_hold_no_content(write):
    canary = b"8613800138000"
    for tail in (b"T|" + canary, canary + b"|1"):
        with pytest.raises(SourceRefused) as caught:
            src = opened(write(canary + b"|1\n" + tail), layout(trailer=TRAILER))
            read(src)
            src.verify(1, [], [])
        assert canary.decode() not in str(caught.value)
