"""A rule book that is sound, with its reference data: what every stage is given.

Conventions
-----------
- Hashes are of content, not of files: neither the order of a table's rows, nor CSV or Parquet, nor a comment changes
  them; a value that is written out where it is the default does not either.
- Rates are compiled when first asked for.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mediation.errors import RulebookError, SourceRefused
from mediation.rulebook.check import check
from mediation.rulebook.columns import dictionaries, record_types, required_columns, usage_columns
from mediation.rulebook.load import read
from mediation.rulebook.model import Declarations, Feed
from mediation.rulebook.names import NameTemplate
from mediation.rulebook.reference import Reference, read_reference

if TYPE_CHECKING:
    import pyarrow as pa

    from mediation.rulebook.rates import Rates

MAX_CODES = 32767


class FeedBook:
    """What a book says of one feed.

    Attributes
    ----------
    name : str
    declared : Feed
    book : Rulebook
    template : NameTemplate
    """

    def __init__(self, name: str, declared: Feed, book: Rulebook):
        self.name = name
        self.declared = declared
        self.book = book
        self.template = NameTemplate(declared.file_name)

    def __repr__(self) -> str:
        return f"FeedBook({self.name!r})"


class Rulebook:
    """A sound rule book.

    Parameters
    ----------
    declared : Declarations
        Checked.
    reference : Reference, optional

    Attributes
    ----------
    declared : Declarations
    reference : Reference
    hash, reference_hash : str
        blake3 of the content, hex.
    feeds : dict of FeedBook
        By name, sorted.
    dictionaries : dict of list of str
        The values of every code column; the place is the code.
    usage_columns : dict of pyarrow.DataType
        Provenance, then what the feeds fill.
    required_columns : frozenset of str
        Those that are never null.
    """

    def __init__(self, declared: Declarations, reference: Reference | None = None):
        self.declared = declared
        self.reference = reference if reference is not None else Reference.empty()
        self.hash = declarations_hash(declared)
        self.reference_hash = self.reference.hash
        self.feeds = {name: FeedBook(name, declared.feeds[name], self) for name in sorted(declared.feeds)}
        self.dictionaries = dictionaries(declared, self.reference.cities)
        self.usage_columns: dict[str, pa.DataType] = usage_columns(declared.feeds)
        self.required_columns = required_columns(declared.feeds)
        faults = [
            f"rulebook.toml: $: column {name} has {len(values)} values, and {MAX_CODES} are the most"
            for name, values in self.dictionaries.items()
            if len(values) > MAX_CODES
        ]
        if faults:
            raise RulebookError(faults)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_layouts"}  # the decoder's plans

    @functools.cached_property
    def rates(self) -> Rates:
        """What the rate kernel needs, compiled once.

        Raises
        ------
        RulebookError
            The accounts come from subscriptions, or the cities from number ranges, and there are no reference data.
        """
        from mediation.rulebook.rates import Rates

        book = self.declared.book
        faults = []
        if not self.reference.given and book.account == "subscription":
            faults.append("rulebook.toml: $.account: accounts come from subscriptions; give the reference data")
        if not self.reference.given and book.city == "number_range":
            faults.append("rulebook.toml: $.city: cities come from number ranges; give the reference data")
        if faults:
            raise RulebookError(faults)
        return Rates(self.declared, self.dictionaries, self.reference)

    def feed_of(self, file_name: str | os.PathLike[str]) -> FeedBook:
        """The feed that a file belongs to by its name; folders do not matter.

        Raises
        ------
        SourceRefused
            `no_feed_matches` or `several_feeds_match`.
        """
        name = os.path.basename(os.fspath(file_name))
        found = [feed for feed in self.feeds.values() if feed.template.match(name) is not None]
        if not found:
            raise SourceRefused("no_feed_matches")
        if len(found) > 1:
            raise SourceRefused("several_feeds_match", ", ".join(feed.name for feed in found))
        return found[0]

    def __repr__(self) -> str:
        return f"Rulebook({self.declared.book.name!r}, {self.hash[:12]})"


def declarations_hash(declared: Declarations) -> str:
    """blake3 of everything that is declared, the rows of tables in a fixed order."""
    from blake3 import blake3

    encode = msgspec.json.Encoder(order="deterministic").encode
    digest = blake3(encode([declared.book, record_types(declared.book), declared.feeds]))
    digest.update(encode([declared.hosts, declared.products]))
    for table in (declared.prices, declared.zones, declared.calendars):
        digest.update(b"\n\n")
        digest.update(b"\n".join(sorted(encode(row) for row in table)))
    return digest.hexdigest()


def load_rulebook(path: str | Path, reference: str | Path | Reference | None = None) -> Rulebook:
    """Read and check a rule book.

    Parameters
    ----------
    path : str or Path
        The folder that holds rulebook.toml.
    reference : str, Path or Reference, optional
        The reference data, or their folder.

    Returns
    -------
    Rulebook

    Raises
    ------
    RulebookError
        With every fault of the book and of the reference data.
    """
    result = read(path)
    check(result)
    read_already = reference is None or isinstance(reference, Reference)
    data = reference if read_already else read_reference(reference, result.book, result.findings)
    if result.findings.faults:
        raise RulebookError(result.findings.faults)
    return Rulebook(result.declared(), data)
