"""The rule book: read, checked whole, and what every stage compiles from it.

Conventions
-----------
- `load_rulebook` either gives a sound book or raises one `RulebookError` with every fault.
- A `Rulebook` is immutable, may be shared by threads and pickled.
"""

from mediation.rulebook.book import FeedBook, Rulebook, load_rulebook
from mediation.rulebook.check import check_book
from mediation.rulebook.reference import Reference, read_reference

__all__ = ["FeedBook", "Reference", "Rulebook", "check_book", "load_rulebook", "read_reference"]
