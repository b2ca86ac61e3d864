"""Which of the numbers that nodes give their records have come: as stretches without a gap, by feed and node.

Conventions
-----------
- Only feeds that declare `[sequence]` are followed; for others there is nothing to do.
- Every decoded record of an accepted file counts, duplicates too: a number that comes again is a repeat. One that was
  rejected has no number that could be believed, and looks missing.
- A feed whose numbers lie in more than `MOST_STRETCHES` stretches is not followed in that run: they are no sequence. It
  has one stretch that ends before it begins, with the number of stretches in the place of the records'.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mediation.native._column import Batch

MOST_STRETCHES = 10_000  # of a feed in a run


class Stretch(NamedTuple):
    """Numbers from first to last, each of which has come; `records` of them, more where some have come again."""

    feed: str
    node: str
    first: int
    last: int
    records: int


class NodeSequences:
    """The stretches of a run.

    Parameters
    ----------
    book : Rulebook
    """

    def __init__(self, book: Any):
        declared = {name: feed.declared.sequence for name, feed in book.feeds.items()}
        self._declared = {name: found for name, found in declared.items() if found is not None}
        self._found: dict[tuple[str, str], list[np.ndarray]] = {}
        self._lock = threading.Lock()

    def add(self, feed: str | None, usage: Batch) -> None:
        """Note the records of a batch of one feed; by several threads at once."""
        declared = self._declared.get(feed or "")
        if declared is None or not usage.num_rows:
            return
        names = [declared.number, "item_no", *([] if declared.node is None else [declared.node])]
        batch = pa.record_batch(usage.select(names))
        known = batch[declared.number].is_valid().to_numpy(zero_copy_only=False) & (batch["item_no"].to_numpy() == 0)
        if declared.node is None:
            nodes, places = [""], np.zeros(len(batch), np.int64)
        else:
            codes = batch[declared.node]
            codes = codes if pa.types.is_dictionary(codes.type) else codes.dictionary_encode()
            known &= codes.is_valid().to_numpy(zero_copy_only=False)
            nodes, places = codes.dictionary.to_pylist(), codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        numbers = batch[declared.number].fill_null(0).to_numpy(zero_copy_only=False)
        for place in np.unique(places[known]):
            of_node = numbers[known & (places == place)]
            stretches = united(np.stack([of_node, of_node, np.ones(len(of_node), np.int64)], 1))
            with self._lock:
                self._found.setdefault((str(feed), nodes[place]), []).append(stretches)

    def stretches(self) -> list[Stretch]:
        """All of them, once the iteration has ended."""
        found: dict[str, list[Stretch]] = {}
        for (feed, node), parts in sorted(self._found.items()):
            of_node = [Stretch(feed, node, *row) for row in united(np.concatenate(parts)).tolist()]
            found.setdefault(feed, []).extend(of_node)
        for feed, stretches in found.items():
            if len(stretches) > MOST_STRETCHES:
                found[feed] = [Stretch(feed, "", 0, -1, len(stretches))]
        return [stretch for stretches in found.values() for stretch in stretches]


def united(stretches: np.ndarray) -> np.ndarray:
    """Rows of (first, last, records) in any order, as those that neither touch nor overlap, in order."""
    rows = stretches[np.argsort(stretches[:, 0], kind="stable")]
    reach = np.maximum.accumulate(rows[:, 1])
    begins = np.flatnonzero(np.concatenate([[True], rows[1:, 0] - reach[:-1] > 1]))
    ends = np.concatenate([begins[1:] - 1, [len(rows) - 1]])
    return np.stack([rows[begins, 0], reach[ends], np.add.reduceat(rows[:, 2], begins)], 1)
