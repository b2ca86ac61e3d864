"""A little rule book of one TAP3 feed, for tests of files of BER records.

Conventions
-----------
- The feed `t` has the host `h` and takes every file; all record types of TAP and TS 32.298 are sold, each by what it
  has.
"""

from __future__ import annotations

from mediation.rulebook import load_rulebook
from tests.decode_book import toml

IMS_NODES = ("scscf", "pcscf", "icscf", "mrfc", "mgcf", "bgcf", "as", "ibcf", "trf", "tf", "atcf", "chf")
SERVICES = {
    "voice": ("duration_s", ["voice_mo", "voice_mt", "mobile_session"]),
    "transit": ("duration_s", ["roaming", "incoming_gateway", "outgoing_gateway", "transit"]),
    "ims": ("event_count", [f"ims_{node}" for node in IMS_NODES]),
    "data": ("volume_bytes", ["data"]),
    "events": (
        "event_count",
        [
            *("sms", "sms_mo", "sms_mt", "supplementary_service", "service_centre_usage"),
            *("content_transaction", "location_service", "messaging_event"),
        ],
    ),
}
RECORD_TYPES = [name for _, names in SERVICES.values() for name in names]


def book_files(feed: str) -> dict[str, str]:
    """Every file of a rule book whose one feed is given as TOML."""
    lines = ['name = "tap"', 'zone = "Europe/Vienna"', 'account = "served_msisdn"', 'product = "p"', 'city = "none"']
    for name, (quantity, types) in SERVICES.items():
        lines += [f"[services.{name}]", f"record_types = {toml(types)}", f'quantity = "{quantity}"']
    tariff = "[zones]\n" + "".join(f'{name} = {{ zone = "all" }}\n' for name in RECORD_TYPES)
    prices = "side,party,record_type,zone,band,from,to\n" + "".join(
        f"{side},*,{name},*,*,2000-01-01,\n" for side in ("retail", "wholesale") for name in RECORD_TYPES
    )
    return {
        "rulebook.toml": "\n".join(lines) + "\n",
        "feeds/t.toml": feed,
        "hosts/h.toml": tariff,
        "products/p.toml": tariff,
        "prices.csv": prices,
    }


def tap_book(folder, feed: str = "", layout: str = "", format_name: str = "tap3"):
    """A loaded book with the feed `t`, of TAP3 or another format that the package knows.

    Parameters
    ----------
    folder : Path
        Empty or not there yet.
    feed, layout : str
        More TOML of the feed and of its layout.
    format_name : str
    """
    text = f'file_name = "*"\nhost = "h"\n{feed}\n[[layout]]\nfrom = 2000-01-01\nformat = "{format_name}"\n{layout}\n'
    for name, content in book_files(text).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return load_rulebook(folder)
