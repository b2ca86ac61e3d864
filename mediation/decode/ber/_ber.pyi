from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import disjoint_base

from mediation.decode._text import Decoded, Plan, Text, TextCopier

CODINGS: dict[str, Any]
COMPOSITE: tuple[str, ...]
STOPS: dict[Any, str]
CODE_NAMES: dict[int, str]
MOST_ROWS: int

def cut(
    context: Context,
    text: Text,
    begin: int,
    filled: int,
    container: int | None,
    indefinite: bool,
    longest: int,
    most: int = ...,
    block: int = ...,
    first_block: int = ...,
) -> tuple[int, int, str, str, int]: ...
def portion(
    plan: BerPlan, context: Context, text: Text, begin: int, end: int, longest: int, most: int = ...
) -> tuple[int, int]: ...
def decode_ber(
    plan: BerPlan, context: Context, text: Text, begin: int, length: int, rows: int, byte_offset: int, source_id: int
) -> Decoded: ...

@disjoint_base
class BerPlan(Plan):
    def add_node(
        self,
        name: str,
        children: Iterable[tuple[int, int]],
        actions: Iterable[tuple[Any, ...]],
        *,
        predicate: tuple[int, int | bytes | None] | None = None,
        variant: int = -1,
        item: bool = False,
        waits: bool = False,
        columns: Iterable[str] = (),
        to_items: Iterable[int] = ...,
    ) -> None: ...
    def finish_tree(
        self,
        *,
        record_columns: Iterable[str],
        header_fields: Iterable[int],
        required: Iterable[int],
        type_field: int = -1,
    ) -> None: ...

@disjoint_base
class Context:
    cdrs: bool
    def __new__(
        cls,
        *,
        cdrs: bool = False,
        head: int = 0,
        decimals: int | None = 0,
        offsets: Mapping[int, int] = ...,
        rates: Mapping[int, int] = ...,
        entities: Mapping[int, tuple[int, str]] = ...,
        texts: Iterable[str | None] = ...,
        codes: Iterable[int] = ...,
    ) -> Context: ...

@disjoint_base
class CodedCopier(TextCopier): ...
