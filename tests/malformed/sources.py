"""Files that are not what they seem: compression that is damaged or explodes, names, and what is no file at all."""

from __future__ import annotations

import gzip
import os
import socket
import zlib

import zstandard

from tests.malformed import GOOD, refused

LINES = b"".join(b"8613800000001|20260110080000|%d\n" % number for number in range(3000))
GZIP, ZSTD = gzip.compress(LINES, mtime=0), zstandard.ZstdCompressor(write_checksum=True).compress(LINES)
SKIPPABLE = b"\x50\x2a\x4d\x18"
MAGIC = b"\x28\xb5\x2f\xfd"
ZEROS_BYTES = 72 << 20  # beyond the size below which nobody asks for the ratio
EXTRA, NAME, COMMENT, CHECK = 4, 8, 16, 2


def damaged(name, content, **more):
    return refused(name, "damaged_compression", content, **more)


def header(flags=0, method=8):
    return b"\x1f\x8b" + bytes([method, flags]) + bytes(4) + b"\0\xff"


def member(data=GOOD.raw, *, checksum=None, size=None):
    """A gzip member by hand, whose trailer may lie."""
    pack = zlib.compressobj(wbits=-15)
    body = pack.compress(data) + pack.flush()
    checksum = zlib.crc32(data) if checksum is None else checksum
    return (
        header() + body + checksum.to_bytes(4, "little") + (len(data) if size is None else size).to_bytes(4, "little")
    )


def frame(*blocks, descriptor=0x20, head=b"\x08"):
    """A zstd frame by hand: RFC 8878; its header says eight bytes and no checksum."""
    return MAGIC + bytes([descriptor]) + head + b"".join(blocks)


def block(data, *, kind=0, last=True, size=None):
    number = (len(data) if size is None else size) << 3 | kind << 1 | last
    return number.to_bytes(3, "little") + data


def turned(packed, at):
    """One bit turned."""
    return packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]


def zeros(pack):
    """A bomb: one line of NULs, packed as it is made."""
    return lambda path: path.write_bytes(pack(bytes(ZEROS_BYTES)))


def bound(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))  # an absolute path may be too long for a socket


def linked(target):
    return lambda path: path.symlink_to(target)


def linked_to_a_file(path):
    (path.parent / "elsewhere").write_bytes(GOOD.raw)
    path.symlink_to("elsewhere")


def sparse(size):
    def make(path):
        path.touch()
        os.truncate(path, size)

    return make


COMPRESSED = [
    damaged("gzip magic and no more", GZIP[:2]),
    damaged("gzip cut in its header", GZIP[:9]),
    damaged("gzip cut before its data", GZIP[:10]),
    damaged("gzip cut in its data", GZIP[:-100]),
    damaged("gzip cut before its trailer", GZIP[:-8]),
    damaged("gzip cut in its trailer", GZIP[:-1]),
    damaged("gzip cut in its second member", GZIP + GZIP[:100]),
    damaged("gzip cut in the header of its second member", GZIP + GZIP[:3]),
    damaged("gzip cut in its extra field", header(EXTRA) + b"\xff\xff" + bytes(9)),
    damaged("gzip name without end", header(NAME) + b"a" * (1 << 20)),
    damaged("gzip comment without end", header(COMMENT) + b"a" * (1 << 20)),
    damaged("gzip of another method", header(method=9) + GZIP[10:]),
    damaged("gzip, a bit turned", turned(GZIP, len(GZIP) // 2)),
    damaged("gzip, another checksum", member(checksum=1)),
    damaged("gzip, another length", member(size=1)),
    damaged("gzip, a length beyond 4 GiB", member(size=0xFFFFFFFF)),
    damaged("gzip, then text", GZIP + GOOD.raw),
    damaged("gzip, then zeros, then a byte", GZIP + bytes(600_000) + b"x"),
    damaged("gzip, then zstd", GZIP + ZSTD),
    damaged("gzip, then half a magic", GZIP + b"\x1f"),
    damaged("zstd magic and no more", ZSTD[:4]),
    damaged("zstd cut in its header", ZSTD[:6]),
    damaged("zstd cut in a block's header", ZSTD[:10]),
    damaged("zstd cut in a block", ZSTD[:-50]),
    damaged("zstd cut in its checksum", ZSTD[:-1]),
    damaged("zstd cut in its second frame", ZSTD + ZSTD[:100]),
    damaged("zstd, a bit turned", turned(ZSTD, len(ZSTD) // 2)),
    damaged("zstd, another checksum", turned(ZSTD, len(ZSTD) - 1)),
    damaged("zstd, more than its header says", frame(block(b"a" * 9))),
    damaged("zstd, less than its header says", frame(block(b"a"))),
    damaged("zstd block of a kind that there is not", frame(block(b"a" * 8, kind=3))),
    damaged("zstd block beyond 128 KiB", frame(block(bytes(8), size=1 << 20), head=b"\0\0\x10\0", descriptor=0xA0)),
    damaged("zstd bit that must be zero", frame(block(b"a" * 8), descriptor=0x28)),
    damaged("zstd window of a terabyte", frame(block(b"a"), descriptor=0, head=b"\xf0")),
    damaged("zstd of an unknown dictionary", frame(block(b"a" * 8), descriptor=0x21, head=b"\x07\x08")),
    damaged("zstd block that repeats nothing", frame(block(b"", kind=1, size=8))),
    damaged("zstd block of literals that there are not", frame(block(b"\xff" * 8, kind=2))),
    damaged("zstd skippable, cut", SKIPPABLE + b"\x09\0\0\0x"),
    damaged("zstd skippable of 4 GiB", SKIPPABLE + b"\xff\xff\xff\xff" + bytes(99)),
    damaged("zstd, then text", ZSTD + GOOD.raw),
    damaged("zstd, then zeros", ZSTD + bytes(64)),
    damaged("zstd, then gzip", ZSTD + GZIP),
    refused("gzip bomb", "compression_ratio_too_high", zeros(gzip.compress)),
    refused("zstd bomb", "compression_ratio_too_high", zeros(zstandard.ZstdCompressor().compress)),
    refused("gzip in gzip", "nested_compression", gzip.compress(GZIP)),
    refused("zstd in zstd", "nested_compression", zstandard.compress(ZSTD)),
    refused("gzip in zstd", "nested_compression", zstandard.compress(GZIP)),
    refused("zstd in gzip", "nested_compression", gzip.compress(ZSTD)),
    refused("zstd skippable in gzip", "nested_compression", gzip.compress(SKIPPABLE + bytes(4))),
    refused("members without end", "too_many_members", gzip.compress(b"") * 1025),
    refused("frames without end", "too_many_members", zstandard.compress(b"") * 1025),
    refused("skippable frames without end", "too_many_members", (SKIPPABLE + bytes(4)) * 1025),
    refused("more members than declared", "too_many_members", GZIP * 2, feed={"limits": {"max_members": 1}},
            sound=gzip.compress(GOOD.raw)),
    refused("more bytes than declared", "too_many_bytes", GZIP, feed={"limits": {"max_bytes": 999}}),
    refused("more bytes than declared, plain", "too_many_bytes", LINES, feed={"limits": {"max_bytes": 999}}),
    refused("a hole of a terabyte", "too_many_bytes", sparse(1 << 40)),
    refused("plain where gzip is declared", "wrong_compression", GOOD.raw, feed={"compression": "gzip"},
            sound=gzip.compress(GOOD.raw)),
    refused("gzip where none is declared", "wrong_compression", GZIP, feed={"compression": "none"}),
    refused("zstd where gzip is declared", "wrong_compression", ZSTD, feed={"compression": "gzip"},
            sound=gzip.compress(GOOD.raw)),
    damaged("empty where gzip is declared", b"", feed={"compression": "gzip"}, sound=gzip.compress(GOOD.raw)),
    damaged("empty by a compressed file's name", b"", file="x.txt.gz"),
]  # fmt: skip

KINDS = [
    refused("a folder", "not_a_regular_file", lambda path: path.mkdir()),
    refused("a pipe", "not_a_regular_file", os.mkfifo),
    refused("a socket", "not_a_regular_file", bound),
    refused("a link to a file", "not_a_regular_file", linked_to_a_file),
    refused("a link to nothing", "not_a_regular_file", linked("nothing")),
    refused("a link to itself", "not_a_regular_file", linked("x.txt")),
    refused("a link to a device without end", "not_a_regular_file", linked("/dev/zero")),
    refused("a link to a folder", "not_a_regular_file", linked(".")),
]

NAMES = [
    refused("a name of no feed", "no_feed_matches", GOOD.raw, file="y.txt"),
    refused("a name in another case", "no_feed_matches", GOOD.raw, file="X.TXT"),
    refused("a name cut", "no_feed_matches", GOOD.raw, file="x.tx"),
    refused("a name of a file still under way", "no_feed_matches", GOOD.raw, file="x.txt.part"),
    refused("a name with a newline at its end", "no_feed_matches", GOOD.raw, file="x.txt\n"),
    refused("a name that is no UTF-8", "no_feed_matches", GOOD.raw, file=os.fsdecode(b"y\xff.txt")),
    refused("a name with an escape sequence", "no_feed_matches", GOOD.raw, file="y\x1b[2J.txt"),
    refused("a name of too many characters", "no_feed_matches", GOOD.raw, file="x" + "y" * 65 + ".txt"),
    refused("a date that no calendar has in a name", "no_feed_matches", GOOD.raw, file="x20260229.txt",
            feed={"file_name": "x{date}*.txt"}),
    refused("a date in unicode digits in a name", "no_feed_matches", GOOD.raw, file="x٢٠٢٦٠١١٠.txt",
            feed={"file_name": "x{date}*.txt"}),
    refused("a date before all layouts", "no_layout_in_force", GOOD.raw, file="x19991231.txt",
            feed={"file_name": "x{date}*.txt"}),
]  # fmt: skip
