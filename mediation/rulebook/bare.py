"""A rule book of nothing but a format that the package knows: to read a file where nobody has declared a feed.

Conventions
-----------
- Its one feed has the format's name, takes any file, and sells every record type that the format has.
"""

from __future__ import annotations

import datetime as dt
import functools

from mediation.errors import UsageError
from mediation.rulebook import model
from mediation.rulebook.book import FeedBook, Rulebook
from mediation.rulebook.formats import TABLES, expanded, format_table


@functools.cache
def bare_feed(name: str, header_bytes: int = 0) -> FeedBook:
    """The feed of a format; of ``ber`` one that knows how elements follow each other, and none of them.

    Raises
    ------
    UsageError
        The package knows no format of this name.
    """
    if name != "ber" and format_table(name) is None:
        known = ", ".join(sorted(path.stem for path in TABLES.glob("*.toml")))
        raise UsageError(f"no format {name!r} that can be read without a rule book; known are {known}")
    ber = model.Ber(header_bytes=header_bytes)
    layout = model.Layout(valid_from=dt.date(1970, 1, 1), format=name, ber=ber)  # type: ignore[arg-type]
    feed = expanded(model.Feed(file_name="*", layout=[layout]), None)
    (types,) = [field.values for field in feed.layout[0].field if field.column == "record_type"] or [{}]
    assert isinstance(types, dict)
    names = sorted({*types.values(), *(derive.becomes for derive in feed.derive)})
    sold = model.Service(record_types=names, quantity="event_count")
    book = model.Book(name=name, zone="UTC", services={"all": sold})
    declared = model.Declarations(
        book=book, feeds={name: feed}, hosts={}, products={}, prices=[], zones=[], calendars=[]
    )
    return Rulebook(declared).feeds[name]
