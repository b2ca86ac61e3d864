from collections.abc import Iterable

from typing_extensions import disjoint_base

from mediation.decode._text import Text
from mediation.decode.ber._ber import BerPlan, Context
from mediation.native._column import Batch

OWN: tuple[str, ...]

def decode_nested(
    plan: NestedPlan, context: Context, text: Text, begin: int, length: int, byte_offset: int, taken: Batch
) -> tuple[list[Batch], list[Batch]]: ...

@disjoint_base
class NestedPlan:
    def __new__(
        cls,
        tree: BerPlan,
        *,
        nodes: Iterable[tuple[Iterable[int], str | None, int | None, str | None]],
        lists: Iterable[tuple[int, str]],
        column_tables: list[int],
        records: list[str],
    ) -> NestedPlan: ...
