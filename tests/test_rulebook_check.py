"""Every fault of a rule book is found, with its file and path, and brings no other with it."""

from __future__ import annotations

import pytest
from good_book import ALPHA, BETA, BOOK, GOOD, PLAIN, PRICES, ZONES, changed, places, write

from mediation.errors import RulebookError
from mediation.rulebook import check_book, load_rulebook

FIELD = "$.layout[0].field"
STRIPPED = 'encoding = "gb18030"\nfield = [\n{ column = "location", type = "text", strip = "both", pad = "0" },'

# (file, what stands there, what stands there instead, the place of the fault: of the same file, or "file: path")
MUTATIONS = [
    # rulebook.toml
    (BOOK, '"Asia/Shanghai"', '"Asia/Nowhere"', "$.zone"),
    (BOOK, "[services.voice]", 'currency = "yuan"\n[services.voice]', "$.currency"),
    (BOOK, "[services.voice]", "price_decimals = 99\n[services.voice]", "$.price_decimals"),
    (BOOK, "[services.voice]", 'product = "plane"\n[services.voice]', "$.product"),
    (BOOK, "[services.voice]", 'account = "served_msisdn"\n[services.voice]', "$.product"),
    (BOOK, '"voice_mt"]', '"voice_mt", "data"]', "$.services.data.record_types[0]"),
    (BOOK, 'quantity = "duration_s"', 'quantity = "duration_s"\nunit = "min"', "$.services.voice.unit"),
    (BOOK, '"86"', '"086"', "$.numbers.cn.country_code"),
    (BOOK, '"17951"', '"1795x"', "$.numbers.cn.carrier_prefixes[0]"),
    (BOOK, "digits = 11", "digits = 99", "$.numbers.cn.national[0].digits"),
    (BOOK, '"retail_amount"', '"retail_amonut"', "$.columns.short[1]"),
    (BOOK, "[services.voice]", "colour = 1\n[services.voice]", "$.colour"),
    (BOOK, "[numbers.cn]", "[limits]\nmax_reject_share = 2.0\n[numbers.cn]", "$.limits.max_reject_share"),
    # names of other files
    (ALPHA, '"north"', '"nroth"', "$.host"),
    (ALPHA, 'numbers = "cn"', 'numbers = "de"', "$.numbers"),
    (ALPHA, "C = ", 'D = "fax", C = ', f"{FIELD}[0].values.D"),
    (BETA, 'record_type = "voice_mt"', 'record_type = "voice_mx"', "$.record_type"),
    (BETA, '"Asia/Urumqi"', '"Asia/Urumki"', "$.zone"),
    # file names and layouts
    (ALPHA, "{sequence:4}", "{squence:4}", "$.file_name"),
    (ALPHA, "{date}_", "", "$.layout[0].header.date"),
    (BETA, "BETA_{date}", "BETA_*", "$.file_name"),
    (BETA, "to = 2026-07-01", "to = 2026-08-01", "$.layout[1].from"),
    (BETA, "to = 2026-07-01", "to = 2025-07-01", "$.layout[0].to"),
    (BETA, 'delimiter = ","', 'delimiter = "||"', "$.layout[1].delimiter"),
    (BETA, "quote = '\"'", "quote = '“'", "$.layout[1].quote"),
    (BETA, "quote = '\"'", "quote = ','", "$.layout[1].quote"),
    (BETA, "quote = '\"'", 'terminator = "none"', "$.layout[1].terminator"),
    (BETA, "record_length = 40\n", "", "$.layout[0].record_length"),
    (BETA, "start = 33, width = 6", "start = 32, width = 6", f"{FIELD}[3].start"),
    (BETA, "start = 39, width = 2", "start = 39, width = 3", f"{FIELD}[4].width"),
    (BETA, "start = 33, width = 6", "start = 33", f"{FIELD}[3]"),
    (
        ALPHA,
        "record_count = { position = 2 }",
        "record_count = { start = 2, width = 3 }",
        "$.layout[0].trailer.record_count",
    ),
    (ALPHA, 'column = "duration_s", position', 'column = "trunk", position', "$.layout[0].trailer.sums[0].column"),
    # fields
    (ALPHA, 'column = "served_msisdn", type = "digits"', 'column = "served_msisdn", type = "text"', f"{FIELD}[1].type"),
    (ALPHA, 'column = "location"', 'column = "flags"', f"{FIELD}[10].column"),
    (ALPHA, '{ column = "location", ', "{ ", f"{FIELD}[10].column"),
    (ALPHA, 'column = "location"', 'column = "trunk"', f"{FIELD}[10].column"),
    (ALPHA, 'unit = "KiB"', 'unit = "min"', f"{FIELD}[5].unit"),
    (ALPHA, "min = 0", "min = 10", f"{FIELD}[5].min"),
    (ALPHA, "min_length = 1", "min_length = 25", f"{FIELD}[6].min_length"),
    (ALPHA, "min_length = 1", "min_length = -1", f"{FIELD}[6].min_length"),
    (ALPHA, "max_length = 24", "max_length = 9999999999", f"{FIELD}[6].max_length"),
    (ALPHA, "max = 9", "max = 9223372036854775808", f"{FIELD}[5].max"),
    (ALPHA, "min = 0", "min = -9223372036854775808", f"{FIELD}[5].min"),
    (ALPHA, "tolerance_s = 2", "tolerance_s = 99999", "$.duration_tolerance_s"),
    (ALPHA, 'pattern = "%Y%m%d%H%M%S" },', 'pattern = "%Y%m%d%H%M" },', f"{FIELD}[2].pattern"),
    (ALPHA, 'pattern = "%Y%m%d%H%M%S", opt', 'pattern = "%Y%m%d%H%M%S%Q", opt', f"{FIELD}[3].pattern"),
    (ALPHA, '"narrow"', '"narrow_narrow_narrow"', f"{FIELD}[8].values[0]"),
    (ALPHA, 'record_type = ["data"]', 'record_typ = ["data"]', f"{FIELD}[4].empty_if.record_typ"),
    (ALPHA, 'record_type = ["data"]', 'record_type = ["fax"]', f"{FIELD}[4].empty_if.record_type[0]"),
    (BETA, 'decimals = 2, unit = "yuan"', 'decimals = 5, unit = "fen"', "$.layout[1].field[4].decimals"),
    (BETA, "quote = '\"'\nfield = [", STRIPPED, "$.layout[1].field[0].pad"),
    (BETA, '"host_charge_amount", type = "decimal"', '"trunk", type = "decimal"', "$.layout[1].field[4].type"),
    (
        BETA,
        '"host_charge_amount", type = "decimal"',
        '"retail_amount", type = "decimal"',
        "$.layout[1].field[4].column",
    ),
    (BETA, 'decimals = 2, unit = "yuan"', 'decimals = 2, unit = "s"', "$.layout[1].field[4].unit"),
    (
        ALPHA,
        'column = "duration_s", position = 3',
        'column = "duration_s", position = 3, unit = "fen"',
        "$.layout[0].trailer.sums[0].unit",
    ),
    (ALPHA, 'pattern = "%Y%m%d%H%M%S", opt', 'pattern = "%Y%m%d%z%H%M%S", opt', f"{FIELD}[3].pattern"),
    # options that the type of the field knows nothing of
    (ALPHA, '"trunk", type = "text"', '"trunk", type = "text", pattern = "%Y"', f"{FIELD}[9].pattern"),
    (ALPHA, '"trunk", type = "text"', '"trunk", type = "text", zone = "UTC"', f"{FIELD}[9].zone"),
    (ALPHA, '"trunk", type = "text"', '"trunk", type = "text", values = ["a"]', f"{FIELD}[9].values"),
    (ALPHA, '"trunk", type = "text"', '"trunk", type = "text", value = "a"', f"{FIELD}[9].value"),
    (ALPHA, '"trunk", type = "text"', '"trunk", type = "text", signed = true', f"{FIELD}[9].signed"),
    (ALPHA, '"trunk", type = "text"', '"trunk", type = "text", max = 9', f"{FIELD}[9].max"),
    (ALPHA, 'unit = "KiB"', 'unit = "KiB", leading_zero = false', f"{FIELD}[5].leading_zero"),
    (ALPHA, 'unit = "KiB"', 'unit = "KiB", characters = "digits"', f"{FIELD}[5].characters"),
    (ALPHA, '["narrow", "wide"]', '["narrow", "wide"], max_length = 9', f"{FIELD}[8].max_length"),
    (
        BETA,
        '{ type = "ignored", start = 39, width = 2 }',
        '{ column = "rat_type", type = "constant", value = "nr", start = 39, width = 2 }',
        f"{FIELD}[4].start",
    ),
    (ALPHA, 'pattern = "%Y%m%d%H%M%S", opt', 'pattern = "%Y%m%d%H%M%N%S", opt', f"{FIELD}[3].pattern"),
    (ALPHA, 'pattern = "%Y%m%d%H%M%S", opt', 'pattern = "%Y%m%d%H%M%S%f%N", opt', f"{FIELD}[3].pattern"),
    (
        BETA,
        '{ type = "ignored", start = 39, width = 2 }',
        '{ column = "rat_type", type = "constant", value = "nr", prefix = "a" }',
        f"{FIELD}[4].prefix",
    ),
    # lines of names, and fields that may be absent
    (BETA, "quote = '\"'", "header_lines = 17", "$.layout[1].header_lines"),
    (BETA, "record_length = 40", "record_length = 40\nheader_lines = 1", "$.layout[0].header_lines"),
    (BETA, "record_length = 40", "record_length = 40\ndelimiter = ','", "$.layout[0].delimiter"),
    (BETA, "start = 6, width = 13", 'start = 6, width = 13, name = "a"', f"{FIELD}[1].name"),
    (BETA, "start = 6, width = 13", "start = 6, width = 13, may_be_absent = true", f"{FIELD}[1].may_be_absent"),
    # what a feed must fill
    (
        ALPHA,
        '"location", type = "text"',
        '"message_segments", type = "integer"',
        "$.layout[0].field",
    ),
    (ALPHA, 'host = "north"\n', "", "$.layout[0].field"),
    (BETA, 'record_type = "voice_mt"\n', "", "$.layout[0].field, $.layout[1].field"),
    (
        BETA,
        'record_type = "voice_mt"',
        'host = "north"\nrecord_type = "voice_mt"',
        "$.layout[0].field, $.layout[1].field",
    ),
    (
        BETA,
        '{ column = "duration_s", type = "integer" }',
        '{ column = "session_id", type = "text" }',
        "$.layout[1].field",
    ),
    (
        ALPHA,
        '"uplink_bytes", type = "integer", unit = "KiB",',
        '"rating_group", type = "integer",',
        "$.layout[0].field",
    ),
    (ALPHA, '[segments]\nucs2 = ["wide"]\n', "", "$.layout[0].field"),
    (ALPHA, '["wide"]', '["wise"]', "$.segments.ucs2[0]"),
    # derive, dedup
    (ALPHA, 'record_type = ["voice_mo"]', 'record_type = ["voice_mu"]', "$.derive[0].record_type[0]"),
    (ALPHA, 'becomes = "voice_mt"', 'becomes = "voice_mx"', "$.derive[0].becomes"),
    (ALPHA, 'column = "other_party"\n', 'column = "duration_s"\n', "$.derive[0].column"),
    (ALPHA, 'key = ["record_type", ', 'key = ["apn", ', "$.dedup.key[0]"),
    (ALPHA, 'not_payload = ["trunk"]', 'not_payload = ["truck"]', "$.dedup.not_payload[0]"),
    (ALPHA, "by_record_type.data", "by_record_type.date", "$.dedup.by_record_type.date"),
    (ALPHA, "duration_tolerance_s = 2", "duration_tolerance_s = -2", "$.duration_tolerance_s"),
    (BETA, "[[layout]]\nfrom = 2026-01-01", "[dedup]\nkey = []\n[[layout]]\nfrom = 2026-01-01", "$.dedup.key"),
    (
        BETA,
        "[[layout]]\nfrom = 2026-01-01",
        '[dedup]\nkey = ["start_time", "host_charge_amount"]\n[[layout]]\nfrom = 2026-01-01',
        "$.dedup.key[1]",
    ),
    (BETA, 'record_type = "voice_mt"', 'record_type = "voice_mt"\nfamily = "alpha"', "$.family"),
    # tariffs
    ("hosts/south.toml", "payment_days = 45", "payment_days = -1", "$.payment_days"),
    ("hosts/south.toml", "payment_days = 45", "cycle = { first_day = 29 }", "$.cycle.first_day"),
    ("hosts/south.toml", "payment_days = 45", 'zone = "China"', "$.zone"),
    ("hosts/south.toml", "payment_days = 45", 'currency = "USD"', "$.currency"),
    ("hosts/south.toml", "payment_days = 45", "rounding = { scale = 7 }", "$.rounding.scale"),
    (PLAIN, '"cn"', '"de"', "$.calendar"),
    (PLAIN, '"fri"]', '"frei"]', "$.day_types, $.day_types.work[4]"),
    (PLAIN, '["sat", "sun"]', '["fri", "sat", "sun"]', "$.day_types.rest[0]"),
    (PLAIN, '["sat", "sun"]', '["sat"]', "$.day_types"),
    (PLAIN, 'rest = [{ from = "00:00", to = "24:00", band = "off" }]\n', "", "$.bands.rest"),
    (PLAIN, "rest = [{", 'feast = [{ from = "00:00", to = "24:00", band = "off" }]\nrest = [{', "$.bands.feast"),
    (PLAIN, '{ from = "08:00"', '{ from = "08:30"', "$.bands.work"),
    (PLAIN, '{ from = "08:00"', '{ from = "07:30"', "$.bands.work[1].from"),
    (PLAIN, '{ from = "08:00"', '{ from = "8:00"', "$.bands.work[0].from"),
    (PLAIN, 'voice_mo = { set = "world" }', 'voice_mo = { set = "wrold" }', "$.zones.voice_mo.set"),
    (PLAIN, "voice_mt = { zone", 'fax = { zone = "in" }\nvoice_mt = { zone', "$.zones.fax"),
    (PLAIN, 'voice_mt = { zone = "in" }', 'voice_mt = { zone = "in", set = "world" }', "$.zones.voice_mt"),
    # tables
    (PRICES, "retail,plain,voice_mo,*,off", "retail,plane,voice_mo,*,off", "$.line[4].party"),
    (PRICES, "retail,*,data", "retail,*,date", "$.line[8].record_type"),
    (PRICES, "retail,*,voice_mt,in", "retail,*,voice_mt,on", "$.line[5].zone"),
    (PRICES, "*,off", "*,of", "$.line[4].band"),
    (PRICES, "0.15,1min", "0.1234567,1min", "$.line[2].first_cost"),
    (PRICES, "0.15,1min", "0.15,1KiB", "$.line[2].first_per"),
    (PRICES, "1,0.5,1\n", "1,0.5,\n", "$.line[7].first_per"),
    (PRICES, "2026-06-01,1min", "2026-06-02,1min", "$.line[3].from"),
    (PRICES, "2026-06-01,1min", "2025-06-01,1min", "$.line[2].to"),
    (PRICES, "2026-06-01,1min", "2026-06-31,1min", "$.line[2].to"),
    (PRICES, "voice_mo,*,off,2026-01-01,", "voice_mo,*,*,2026-01-01,", "$.line[4].from, $.line[4].from"),
    (PRICES, "wholesale,south,data", "wholesale,*,data", "$.line[13].from"),
    (PRICES, "voice_mo,*,off,2026-01-01,", "voice_mo,*,off,,", "$.line[4].from"),
    (ZONES, "world,86,home", "world,86,", "$.line[3].zone"),
    (ZONES, "world,86,", "world,+86,", "$.line[3].prefix"),
    (ZONES, "2026-05-01\n", "2026-05-02\n", "$.line[5].prefix"),
    (ZONES, "away,2026-05-01,", "away,2026-5-1,", "$.line[5].from"),
    ("calendars.csv", "2026-10-10,work", "2026-10-01,work", "$.line[3].date"),
    ("calendars.csv", "2026-10-10,work", "2026-10-10,feast", f"{PLAIN}: $.bands.feast"),
]


@pytest.mark.parametrize(("file", "old", "new", "where"), MUTATIONS)
def test_one_mistake_is_one_fault_at_its_place(tmp_path, file, old, new, where):
    faults, _ = check_book(write(tmp_path, changed(file, old, new)))
    expected = [each if ".toml: " in each else f"{file}: {each}" for each in where.split(", ")]
    assert sorted(places(faults)) == sorted(expected), faults


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("min_length = 1", 'null_if = ["无"]', f"{FIELD}[6].null_if[0]"),
        ('"narrow"', '"窄"', f"{FIELD}[8].values[0]"),
        ('pattern = "%Y%m%d%H%M%S", opt', 'pattern = "%Y年%m%d%H%M%S", opt', f"{FIELD}[3].pattern"),
        ('starts_with = "H"', 'starts_with = "头"', "$.layout[0].header.starts_with"),
    ],
)
def test_what_a_layouts_encoding_can_not_write_is_a_fault(tmp_path, old, new, where):
    files = changed(ALPHA, old, new)
    assert check_book(write(tmp_path / "utf-8", files))[0] == []
    files[ALPHA] = files[ALPHA].replace('format = "delimited"', 'format = "delimited"\nencoding = "ascii"', 1)
    assert places(check_book(write(tmp_path / "ascii", files))[0]) == [f"{ALPHA}: {where}"]


def test_the_good_book_has_nothing_to_say(tmp_path):
    assert check_book(write(tmp_path)) == ([], [])


def test_all_faults_come_at_once(tmp_path):
    files = {
        **changed(ALPHA, '"north"', '"nroth"'),
        "prices.csv": GOOD[PRICES].replace("*,off", "*,of").replace("0.15,1min", "0.1234567,1min"),
        "hosts/south.toml": GOOD["hosts/south.toml"].replace("payment_days", "payment_dais"),
    }
    with pytest.raises(RulebookError) as caught:
        load_rulebook(write(tmp_path, files))
    assert sorted(places(caught.value.faults)) == [
        "feeds/alpha.toml: $.host",
        "hosts/south.toml: $.payment_dais",
        "prices.csv: $.line[2].first_cost",
        "prices.csv: $.line[4].band",
    ]
    assert "did you mean north?" in str(caught.value)


def test_a_misspelt_key_hides_no_other_fault(tmp_path):
    """It is read as the key that is meant: what it says is checked, and so is all that depends on its file."""
    files = {
        BOOK: GOOD[BOOK].replace('zone = "Asia/Shanghai"', 'zoen = "Asia/Shanghai"\ncolour = "red"'),
        PLAIN: GOOD[PLAIN]
        .replace("calendar", "calender")
        .replace('"cn"', '"de"')
        .replace('"08:00", to', '"07:30", to'),
        PRICES: GOOD[PRICES].replace("0.15,1min", "0.1234567,1min").replace("2026-06-01,1min", "2026-06-02,1min"),
        "hosts/south.toml": "= nothing",
    }
    faults, warnings = check_book(write(tmp_path, {**GOOD, **files}))
    assert sorted(places(faults)) == [
        "hosts/south.toml: $",
        f"{PRICES}: $.line[2].first_cost",
        f"{PRICES}: $.line[3].from",
        f"{PLAIN}: $.bands.work[1].from",
        f"{PLAIN}: $.calendar",
        f"{PLAIN}: $.calender",
        f"{BOOK}: $.colour",
        f"{BOOK}: $.zoen",
    ]
    assert "did you mean zone?" in faults[0]
    assert warnings == []


def test_a_broken_file_brings_no_other_fault(tmp_path):
    for file in ("hosts/north.toml", PLAIN, ALPHA, BOOK):
        faults, warnings = check_book(write(tmp_path / file.replace("/", "_"), {**GOOD, file: "= nothing"}))
        assert places(faults) == [f"{file}: $"]
        assert warnings == []


def test_two_feeds_with_one_file_name(tmp_path):
    faults, _ = check_book(write(tmp_path, {**GOOD, "feeds/gamma.toml": GOOD[BETA]}))
    assert places(faults) == ["feeds/gamma.toml: $.file_name"]


def test_what_has_no_price_is_a_warning(tmp_path):
    faults, warnings = check_book(write(tmp_path, changed(PRICES, "retail,*,sms_mo,away,*,2026-01-01,,1,0.5,1\n", "")))
    assert faults == []
    assert places(warnings) == [f"{PLAIN}: $.zones.sms_mo"] * 2


def test_what_nothing_uses_is_a_warning(tmp_path):
    files = {
        **GOOD,
        ZONES: GOOD[ZONES] + "idle,1,x,,\n",
        "calendars.csv": GOOD["calendars.csv"] + "de,2026-01-01,rest\n",
    }
    faults, warnings = check_book(write(tmp_path, files))
    assert faults == []
    assert places(warnings) == ["calendars.csv: $", "zones.csv: $"]


def test_a_record_type_that_a_tariff_does_not_name_is_a_warning(tmp_path):
    files = changed("hosts/north.toml", 'data = { zone = "all" }\n', "")
    faults, warnings = check_book(write(tmp_path, files))
    assert places(faults) == ["prices.csv: $.line[12].record_type"]
    assert places(warnings) == ["hosts/north.toml: $.zones"]


def test_a_fault_in_what_is_sold_brings_no_warning_of_what_a_format_could_bring(tmp_path):
    tap = 'file_name = "TD*"\nhost = "north"\n[[layout]]\nfrom = 2026-01-01\nformat = "tap3"\n'
    files = {**changed(BOOK, 'quantity = "duration_s"', 'quantity = "minutes"'), "feeds/tap.toml": tap}
    faults, warnings = check_book(write(tmp_path, files))
    assert places(faults) == [f"{BOOK}: $.services.voice.quantity"]
    assert warnings == []


def test_a_value_of_few_is_told_with_all_of_them(tmp_path):
    for file, old, new, known in (
        (ALPHA, 'format = "delimited"', 'format = "tap"', "unknown value 'tap'; known are ber, delimited, fixed,"),
        (BOOK, 'quantity = "duration_s"', 'quantity = "minutes"', "'minutes'; known are duration_s, event_count, "),
        (BOOK, 'quantity = "duration_s"', "quantity = 7", "got `int`"),
    ):
        faults, _ = check_book(write(tmp_path / new.replace(" ", ""), changed(file, old, new)))
        assert known in faults[0]


def test_every_row_that_overlaps_is_named(tmp_path):
    files = {
        **GOOD,
        ZONES: GOOD[ZONES]
        + "world,44,away,2026-01-01,\nworld,44,away,2026-02-01,2026-03-01\nworld,44,away,2026-04-01,\n",
    }
    faults, _ = check_book(write(tmp_path, files))
    assert places(faults) == ["zones.csv: $.line[7].prefix", "zones.csv: $.line[8].prefix"]


def test_every_layout_that_overlaps_is_named(tmp_path):
    layouts = GOOD[ALPHA].partition("[[layout]]\n")
    _, _, fields = layouts[2].partition("\n")
    spans = ("from = 2026-01-01", "from = 2026-02-01\nto = 2026-03-01", "from = 2026-04-01")
    text = layouts[0] + "".join(f"[[layout]]\n{span}\n{fields}" for span in spans)
    faults, _ = check_book(write(tmp_path, {**GOOD, ALPHA: text}))
    assert places(faults) == [f"{ALPHA}: $.layout[1].from", f"{ALPHA}: $.layout[2].from"]


def test_a_key_without_a_time_is_a_warning(tmp_path):
    faults, warnings = check_book(write(tmp_path, changed(ALPHA, ', "start_time"]\nnot', "]\nnot")))
    assert faults == []
    assert places(warnings) == [f"{ALPHA}: $.dedup.key"]


def test_feeds_of_one_family_with_one_key_are_sound(tmp_path):
    gamma = GOOD[BETA].replace("BETA", "GAMMA")
    key = 'family = "beta"\n[dedup]\nkey = ["start_time", "{}"]\n[[layout]]\nfrom = 2026-01-01'

    def with_key(text, column):
        return text.replace("[[layout]]\nfrom = 2026-01-01", key.format(column), 1)

    both = {**GOOD, BETA: with_key(GOOD[BETA], "served_msisdn"), "feeds/gamma.toml": with_key(gamma, "served_msisdn")}
    assert check_book(write(tmp_path / "same", both)) == ([], [])
    both["feeds/gamma.toml"] = with_key(gamma, "duration_s")
    faults, _ = check_book(write(tmp_path / "other", both))
    assert places(faults) == ["feeds/gamma.toml: $.family"]


FILE_FAULTS = [
    ("rulebook.toml", None, "rulebook.toml: $"),
    ("prices.csv", None, "prices.csv: $"),
    ("prices.csv", "", "prices.csv: $"),
    ("prices.csv", "side,party\n", "prices.csv: $.line[1], prices.csv: $.line[1]"),
    ("zones.csv", "zone_set,prefix,zone,colour\n", "zones.csv: $.line[1]"),
    ("zones.csv", "zone_set,prefix,zone\nworld,86\n", "zones.csv: $.line[2]"),
    ("zones.csv", "zone_set,prefix,zone\n\n\nworld,+1,home\nworld,,home\nworld,,away\n", "zones.csv: $.line[4].prefix"),
    ("zones.csv", 'zone_set,prefix,zone\n"world,86,home\n', "zones.csv: $.line[2]"),
    ("calendars.csv", "calendar,date,day_type\ncn,2026-13-01,rest\ncn,x,rest\n", "calendars.csv: $.line[2].date"),
    ("price.csv", "", "price.csv: $"),
    ("tariffs/x.toml", "", "tariffs/: $"),
    ("feeds/bad name.toml", GOOD[BETA].replace("BETA", "X"), "feeds/bad name.toml: $"),
]


@pytest.mark.parametrize(("file", "content", "where"), FILE_FAULTS)
def test_files_that_are_missing_strange_or_broken(tmp_path, file, content, where):
    files = {name: text for name, text in GOOD.items() if name != file} | ({} if content is None else {file: content})
    faults, _ = check_book(write(tmp_path, files))
    found = places(faults)
    assert all(each in found for each in where.split(", ")), faults
    assert {each.split(":")[0] for each in found} == {where.split(":")[0]}, faults


def test_every_fault_of_one_file_is_named(tmp_path):
    text = GOOD[ALPHA].replace('type = "digits"', 'type = "digit"').replace("min = 0", 'min = "0"')
    text = text.replace("optional = true", "optional = 1", 1).replace("[segments]", "[segment]")
    faults, _ = check_book(write(tmp_path, {**GOOD, ALPHA: text}))
    wanted = [f"{FIELD}[1].type", f"{FIELD}[3].optional", f"{FIELD}[5].min", "$.segment"]
    assert sorted(places(faults)) == sorted(f"{ALPHA}: {each}" for each in wanted)
