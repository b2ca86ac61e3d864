from collections.abc import Container, Iterable
from typing import Any

from typing_extensions import disjoint_base

from mediation.native._column import Batch, Dictionary
from mediation.rulebook.rates import Rates

GUIDE_CODES: frozenset[str]
FIELDS: tuple[str, ...]
CODE_COLUMNS: tuple[str, ...]
STAGES: Dictionary
CODES: Dictionary
FIELD_NAMES: Dictionary

@disjoint_base
class RatePlan:
    dictionaries: dict[str, Dictionary]
    has_city: bool
    def __new__(cls, rates: Rates, *, exact_only: bool = False) -> RatePlan: ...

@disjoint_base
class Rating:
    rated: Batch
    rated_rows: Batch
    suspended: Batch

@disjoint_base
class Columns: ...

def rate_batch(
    plan: RatePlan, usage: Any, selection: Any | None = None, columns: Container[str] | None = None
) -> Rating: ...
def zone_numbers(plan: RatePlan, prefix_set: int, at_us: int, numbers: Iterable[str]) -> list[int]: ...
def rounded_line(numerator: int, denominator: int, granule_micro: int, mode: int) -> tuple[int, int] | None: ...
