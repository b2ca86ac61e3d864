"""What every account used and paid per day of the home zone.

Conventions
-----------
- Sums are exact. Rows come in order of (account, day); an account that is null comes first.
- Batches may be added by several threads at once; reading ends the adding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mediation import schema
from mediation.rulebook.zones import zone_table
from mediation.settle._fold import AccountDayFold

if TYPE_CHECKING:
    import pyarrow as pa

    from mediation.native._column import Batch

ROWS_PER_BATCH = 1 << 17
SHARES = 8  # of the partitions, for threads to fold


class AccountDays:
    """The sums of a run by account and local day.

    Parameters
    ----------
    zone : str
        IANA name of the home zone.
    """

    def __init__(self, zone: str):
        self._fold = AccountDayFold(*zone_table(zone))

    def __len__(self) -> int:
        return len(self._fold)

    @property
    def nbytes(self) -> int:
        """Memory of the table, in bytes."""
        return self._fold.nbytes

    def add(self, usage: Batch, rated_rows: Batch | None, rated: Batch) -> None:
        """Add a rated batch; see `AccountDayFold.add`."""
        self._fold.add(usage, rated_rows, rated)

    def fold(self, each: Callable = map) -> None:
        """Fold all rows that wait, which reading does by one thread; `each` may be an executor's map.

        In few shares: between them a thread waits for the interpreter, which the settlement may hold.
        """
        for _ in each(self._fold.fold_share, range(SHARES), itertools.repeat(SHARES)):
            pass

    def batches(self, rows: int = ROWS_PER_BATCH) -> Iterator[pa.RecordBatch]:
        """Every row once, in order, as record batches of `schema.ACCOUNT_DAY`. May be called once."""
        import pyarrow as pa

        self._fold.close()
        wanted = schema.schema(schema.ACCOUNT_DAY)
        while True:
            batch = pa.record_batch(self._fold.next(rows))
            if not batch.num_rows:
                return
            columns = [_as_declared(column, field.type) for column, field in zip(batch.columns, wanted, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=wanted)

    def table(self) -> pa.Table:
        """Every row, in order. May be called once, and not after `batches`."""
        import pyarrow as pa

        return pa.Table.from_batches(list(self.batches()), schema=schema.schema(schema.ACCOUNT_DAY))


def _as_declared(column: pa.Array, declared: pa.DataType) -> pa.Array:
    # A decimal128's 16 bytes are the same at any precision: the sum's type is put over them without a copy.
    import pyarrow as pa

    if column.type == declared:
        return column
    return pa.Array.from_buffers(declared, len(column), column.buffers(), offset=column.offset)
