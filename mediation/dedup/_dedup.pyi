from collections.abc import Iterable, Sequence
from typing import Any

from typing_extensions import disjoint_base

from mediation.native._column import Batch, Dictionary

MOST_EXPECTED: int
SIMD_LEVELS: tuple[str, ...]
VERDICTS: Dictionary

def siphash(secret: bytes, words: Iterable[int]) -> bytes: ...
def fingerprint(plan: KeyPlan, usage: Batch) -> Batch: ...
def first_places(duplicates: Batch, bases: Iterable[int], sources: Iterable[int]) -> Batch: ...

@disjoint_base
class KeyPlan:
    columns: tuple[str, ...]
    feeds: tuple[str, ...]
    record_types: tuple[str, ...]
    dated: bool
    def __new__(
        cls,
        secret: bytes,
        columns: dict[str, str],
        feeds: Sequence[str],
        record_types: Sequence[str],
        rules: dict[tuple[str, str], tuple[str, bool, list[str], list[str], str | None]],
        simd: str,
        *,
        dated: bool = False,
    ) -> KeyPlan: ...

@disjoint_base
class Admission:
    history: Any
    dated: bool
    def __new__(cls, history: Any = None, *, dated: bool = False, all_collide: bool = False) -> Admission: ...
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def expect(self, records: int) -> None: ...
    def clear(self) -> None: ...
    def admit(self, fingerprints: Batch, usage: Batch, ordinal_base: int) -> tuple[Batch, Batch]: ...
    def probe(self, fingerprints: Batch) -> Batch: ...
    def entries(self) -> Batch: ...
