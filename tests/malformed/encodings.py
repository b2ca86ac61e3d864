"""Bytes that are no text in the declared encoding, and byte order marks where none is expected."""

from __future__ import annotations

from tests.malformed import GOOD, HEAD, bad, family, filler, good, value

MARK = b"\xef\xbb\xbf"
WIDE = "8613800000001|20260110080000|a\n"
CHINESE = {"encoding": "gb18030"}

ENCODINGS = [
    value("overlong UTF-8", "invalid_encoding", b"\xc0\xaf", "é".encode(), x="é"),
    value("overlong UTF-8 of three", "invalid_encoding", b"\xe0\x80\xaf", "€".encode(), x="€"),
    value("surrogate in UTF-8", "invalid_encoding", b"\xed\xa0\x80", "퟿".encode(), x="퟿"),
    value("beyond Unicode", "invalid_encoding", b"\xf4\x90\x80\x80", b"\xf4\x8f\xbf\xbf", x="\U0010ffff"),
    value("lone continuation", "invalid_encoding", b"a\x80", b"a", x="a"),
    value("UTF-8 cut by the line's end", "invalid_encoding", b"\xe4\xb8", "中".encode(), x="中"),
    value("UTF-16 byte order mark", "invalid_encoding", b"\xff\xfea", b"a", x="a"),
    value("high byte in ASCII", "invalid_encoding", b"caf\xe9", b"cafe", x="cafe", encoding="ascii"),
    value("invalid GB18030 lead", "invalid_encoding", b"\x80a", "中".encode("gb18030"), x="中", encoding="gb18030"),
    value("0xFF in GB18030", "invalid_encoding", b"a\xffb", "中".encode("gb18030"), x="中", encoding="gb18030"),
    value("invalid GB18030 trail", "invalid_encoding", b"\xd6\x7f", b"\xd6\xd0", x="中", encoding="gb18030"),
    value("GB18030 cut by the line's end", "invalid_encoding", b"\xd6", b"\xd6\xd0", x="中", encoding="gb18030"),
    value("GB18030 beyond Unicode", "invalid_encoding", b"\xfe\x39\xfe\x39", b"\x81\x30\x81\x30", encoding="gb18030"),
    value("overlong NUL", "invalid_encoding", b"\xc0\x80", b"\0", x="\0"),
    value("overlong UTF-8 of four", "invalid_encoding", b"\xf0\x80\x80\x80", "\U00010000".encode(), x="\U00010000"),
    value("UTF-8 of five bytes", "invalid_encoding", b"\xf8\x88\x80\x80\x80", b"a", x="a"),
    value("a surrogate pair in UTF-8", "invalid_encoding", b"\xed\xa0\xbd\xed\xb8\x80", "😀".encode(), x="😀"),
    value("low surrogate in UTF-8", "invalid_encoding", b"\xed\xbf\xbf", b"\xee\x80\x80", x="\ue000"),
    value("lead byte before a letter", "invalid_encoding", b"\xe4a", "中".encode(), x="中"),
    value("two lead bytes", "invalid_encoding", b"\xc3\xc3\xa9", b"\xc3\xa9", x="é"),
    value("four bytes less one", "invalid_encoding", b"\xf0\x9f\x98", "😀".encode(), x="😀"),
    value("0xFE in UTF-8", "invalid_encoding", b"\xfe", b"a", x="a"),
    value("Latin-1 in UTF-8", "invalid_encoding", "Zürich".encode("latin-1"), "Zürich".encode(), x="Zürich"),
    value("GB18030 in UTF-8", "invalid_encoding", "语音".encode("gb18030"), "语音".encode(), x="语音"),
    value("UTF-8 in GB18030", "invalid_encoding", "中".encode(), "中".encode("gb18030"), x="中", **CHINESE),
    value("a lead byte alone in GB18030", "invalid_encoding", b"\xd6 ", b"\xd6\xd0", x="中", **CHINESE),
    value("a digit after a lead byte", "invalid_encoding", b"\xd60", b"\xd6\xd00", x="中0", **CHINESE),
    value("four bytes cut to three", "invalid_encoding", b"\x81\x30\x81", b"\x81\x30\x81\x30", **CHINESE),
    value("four bytes with a bad third", "invalid_encoding", b"\x81\x30\x7f\x30", b"\x81\x30\x81\x30", **CHINESE),
    value("four bytes with a bad fourth", "invalid_encoding", b"\x81\x30\x81\x3a", b"\x81\x30\x81\x39", **CHINESE),
    value("four bytes, no character", "invalid_encoding", b"\x85\x30\x81\x30", b"\x90\x30\x81\x30", **CHINESE),
    family(
        "byte order mark",
        [filler(b"\xef\xbb\xbf"), GOOD, bad(b"\xef\xbb\xbf" + HEAD + b"a\n", "not_a_number", "served_msisdn"), GOOD],
    ),
    family(
        "byte order mark in ASCII",
        [bad(b"\xef\xbb\xbf" + HEAD + b"a\n", "invalid_encoding", "served_msisdn"), GOOD],
        encoding="ascii",
    ),
    family(
        "delimiter inside a GB18030 character",
        [good(HEAD + b"\x81\x7c\n", b"\x81\x7c".decode("gb18030")), good(HEAD + b"a\n", "a")],
        encoding="gb18030",
    ),
    family(
        "GB18030 enumeration",
        [
            good(HEAD + "语音".encode("gb18030") + b"\n", "voice"),
            bad(HEAD + "语音".encode() + b"\n", "unknown_value", "x"),
            good(HEAD + "短信".encode("gb18030") + b"\n", "sms"),
        ],
        x={"type": "enumeration", "values": {"语音": "voice", "短信": "sms"}},
        encoding="gb18030",
        delimiter="|",
    ),
    family(
        "GB18030 null_if",
        [good(HEAD + "无".encode("gb18030") + b"\n", None), GOOD],
        x={"optional": True, "null_if": ["无"]},
        encoding="gb18030",
    ),
    family(
        "0xFF twice in GB18030",
        [GOOD, bad(HEAD + b"\xffa\n", "invalid_encoding", "x"), bad(b"b\xff\n", "wrong_field_count"), GOOD],
        encoding="gb18030",
    ),
    family(
        "byte order mark twice",
        [filler(MARK), bad(MARK + HEAD + b"a\n", "not_a_number", "served_msisdn"), GOOD],
    ),
    family("byte order mark at the end", [GOOD, bad(MARK, "wrong_field_count")]),
    family("byte order mark cut", [bad(MARK[:2], "wrong_field_count")]),
    family(
        "byte order mark of GB18030",
        [bad("\ufeff".encode("gb18030") + GOOD.raw, "not_a_number", "served_msisdn"), GOOD],
        **CHINESE,
    ),
    family(
        "byte order mark of UTF-8 in GB18030",
        [bad(MARK + GOOD.raw, "invalid_encoding", "served_msisdn"), GOOD],
        **CHINESE,
    ),
    family(
        "UTF-16",
        [
            bad(("\ufeff" + WIDE).encode("utf-16-le")[:-1], "invalid_encoding", "served_msisdn"),
            bad(b"\0" + WIDE.encode("utf-16-le")[:-1], "not_a_number", "served_msisdn"),
            bad(b"\0", "wrong_field_count"),
        ],
    ),
    family("UTF-16, big end first", [bad(WIDE.encode("utf-16-be"), "not_a_number", "served_msisdn"), GOOD]),
    family(
        "a long line of another encoding",
        [GOOD, bad(HEAD + "通话".encode("gb18030") * 9000 + b"\n", "invalid_encoding", "x"), GOOD],
    ),
]
