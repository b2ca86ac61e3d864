"""A history that begins with a day: what is older cannot be told from a repeat any more, and is not charged.

Conventions
-----------
- To an admission such a record counts as known, so that it never enters the set; `Bounded.part` then tells it from the
  repeats, and it is suspended as too old.
- Undated records are always looked up: their part of a history is never given up.
"""

from __future__ import annotations

import pyarrow as pa

from mediation.dedup.dedup import History
from mediation.native._column import Batch

TOO_OLD = {"stage": "deduplicate", "code": "too_old", "field": None}


class Bounded:
    """A history from a day on. It is a `History`.

    Parameters
    ----------
    history : History or None
    first_day : int or None
        Since 1970: the oldest that is still known. None: all is, and nothing is ever too old.
    """

    def __init__(self, history: History | None, first_day: int | None):
        self._history, self.first_day = history, first_day

    @property
    def asked(self) -> History | None:
        """What an admission has to ask: nobody, where nothing came before."""
        return self._history if self.first_day is None else self

    def probe(self, fingerprints: Batch) -> Batch:
        """As of `History`; and 0 for every record that is too old."""
        import pyarrow.compute as pc

        if self._history is not None:
            checks = pa.record_batch(self._history.probe(fingerprints))["payload_check"]
        else:
            checks = pa.nulls(fingerprints.num_rows, pa.int32())
        if (old := self._too_old(fingerprints)) is not None:
            checks = pc.if_else(old, pa.scalar(0, pa.int32()), checks)
        return Batch.of(pa.record_batch({"payload_check": checks}))

    def part(self, duplicates: Batch, fingerprints: Batch) -> tuple[Batch, Batch | None]:
        """What an admission took for repeats, without the records that are too old; and those.

        Returns
        -------
        duplicates : Batch
            As `Admission.admit` gives them.
        too_old : Batch or None
            ``row``, ``stage``, ``code`` and ``field``, as rating says what it suspends.
        """
        if self.first_day is None or not duplicates.num_rows or (old := self._too_old(fingerprints)) is None:
            return duplicates, None
        import pyarrow.compute as pc

        table = pa.record_batch(duplicates)
        is_old = old.take(table["row"])
        repeated, rows = table.filter(pc.invert(is_old)), table.filter(is_old)["row"]
        said = {
            name: pa.array([text] * len(rows), pa.dictionary(pa.int16(), pa.utf8())) for name, text in TOO_OLD.items()
        }
        return Batch.of(repeated), Batch.of(pa.record_batch({"row": rows, **said}))

    def _too_old(self, fingerprints: Batch) -> pa.BooleanArray | None:
        """By row; None where nothing is."""
        import pyarrow.compute as pc

        days = pa.record_batch(fingerprints.select(["partition_day"]))["partition_day"]
        oldest = pc.min(days).as_py()
        if oldest is None or oldest >= self.first_day:
            return None
        return pc.less(days, self.first_day).fill_null(False)
