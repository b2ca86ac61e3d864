from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import disjoint_base

from mediation.native._column import Batch

PROVENANCE: tuple[str, ...]

def first_record(plan: Plan, text: Text, begin: int, length: int) -> int: ...
def complete_records(plan: Plan, text: Text, begin: int, length: int) -> tuple[int, int]: ...
def decode_text(plan: Plan, text: Text, begin: int, length: int, byte_offset: int, source_id: int) -> Decoded: ...

@disjoint_base
class Text:
    capacity: int
    def __new__(cls, capacity: int) -> Text: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...

@disjoint_base
class Plan:
    def __new__(
        cls, columns: Iterable[tuple[Any, ...]], feeds: Iterable[str], feed_code: int, codes: Mapping[str, int]
    ) -> Plan: ...
    def set_simd(self, level: str) -> None: ...
    def set_frame(
        self,
        *,
        framing: Any,
        terminator: Any,
        encoding: Any,
        delimiter: int,
        quote: int,
        fields: int,
        least_fields: int,
        record_length: int,
        max_record_bytes: int,
        starts: Any,
        widths: Any,
        gb18030: Any,
    ) -> None: ...
    def set_paths(self, nodes: Iterable[Any], levels: list[list[int]], needed: int) -> None: ...
    def add_field(
        self,
        name: str,
        kind: Any,
        column: Any,
        *,
        optional: bool = False,
        is_signed: bool = False,
        leading_zero: bool = True,
        trim_left: bool = False,
        trim_right: bool = False,
        trim_cr: bool = False,
        pad: int = 32,
        prefix: bytes = b"",
        characters: int = 0,
        min_length: int | None = None,
        max_length: int | None = None,
        minimum: int | None = None,
        maximum: int | None = None,
        multiplier: int = 1,
        decimals: int = 0,
        null_if: Iterable[Any] = (),
        required_if: Iterable[Any] = (),
        empty_if: Iterable[Any] = (),
        values: Any = None,
        timestamp: Any = None,
        numbers: Iterable[Any] = (),
    ) -> None: ...
    def finish(
        self, *, derivations: Any, ucs2: Any, duration_from_times: Any, duration_tolerance_s: Any, control_columns: Any
    ) -> None: ...
    def undecodable(
        self, raw: Text, raw_bytes: int, code: str, byte_offset: int, length: int, source_id: int
    ) -> Decoded: ...

@disjoint_base
class Decoded:
    usage: Batch
    rejects: Batch
    records: int
    record_bytes: int
    undecodable_bytes: int
    filler_bytes: int
    usage_bytes: int
    reject_bytes: int
    control_sums: list[int]
    unreadable: list[int]
    unknown_elements: int
    def __new__(cls) -> Decoded: ...
    def number(self, first_record_no: int) -> None: ...

@disjoint_base
class TextCopier: ...
