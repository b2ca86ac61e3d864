import enum
from collections.abc import Iterable
from typing import Any

from typing_extensions import disjoint_base

class Kind(enum.IntEnum):
    i16 = 0
    i32 = 1
    i64 = 2
    timestamp = 3
    date32 = 4
    decimal128 = 5
    utf8 = 6
    binary = 7
    fixed16 = 8
    code = 9

def memory() -> dict[str, int]: ...

@disjoint_base
class Dictionary:
    values: tuple[str, ...]
    def __new__(cls, values: Iterable[str]) -> Dictionary: ...
    def __len__(self) -> int: ...

@disjoint_base
class Batch:
    def __new__(cls) -> Batch: ...
    @staticmethod
    def of(source: Any) -> Batch: ...
    @property
    def num_rows(self) -> int: ...
    @property
    def names(self) -> list[str]: ...
    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...
    def select(self, names: Iterable[str]) -> Batch: ...
    def take(self, selection: Batch, names: Iterable[str]) -> Batch: ...
    def total(self, selection: Batch, name: str) -> int: ...
    def zip(self, other: Batch) -> Batch: ...

@disjoint_base
class Builder:
    def __new__(cls, capacity: int) -> Builder: ...
    def add(
        self,
        name: str,
        kind: Kind,
        nullable: bool = False,
        dictionary: Dictionary | None = None,
        bytes_capacity: int = 0,
    ) -> int: ...
    def finish(self, length: int) -> Batch: ...
