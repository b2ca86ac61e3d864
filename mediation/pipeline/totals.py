"""Control totals: what two systems compare before they compare records.

Conventions
-----------
- One number a column, modulo 2^64. A record that is lost or doubled shows, or a number that was altered, whatever the
  order of the rows; a text of the same length or values that changed places do not.
- Numbers, instants and days are added up; a decimal counts as the integer that it is stored as (amounts: micros), a
  code as its place in the dictionary (of one rule book), a text with its length in bytes. A null counts nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from mediation.native._column import Batch
from mediation.rulebook.conform import as_table

WORD = 1 << 64


def control_totals(source: Any) -> dict[str, int]:
    """Every column of a table reduced to one number.

    Parameters
    ----------
    source : Arrow object
        With columns as the tables of a run have them.

    Returns
    -------
    dict of str to int
        Column -> total. Those of two halves add up, modulo 2^64, to those of the whole.

    Raises
    ------
    TypeError
        A column has a type that no kernel reads: a settlement's wide sums are such.
    """
    table = as_table(source)
    totals = Counter(dict.fromkeys(table.column_names, 0))
    for batch in table.to_batches():
        totals.update(Batch.of(batch).totals())
    return {name: total % WORD for name, total in totals.items()}
