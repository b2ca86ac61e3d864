"""Whether what should have come has come: what was collected of each feed, what is missing, what came out of turn.

Conventions
-----------
- A file is missing whose number lies between two that came, of the same feed and date in the file name: numbers start
  anew with every date, and a feed without dates has one series. What would come before the first or after the last
  number of a date is not known to be missing.
- Out of order: a file of a number below one of the same feed and date that a run before, or the same, had taken first.
  Late: a file whose date lies more days behind the newest of its feed that had come before than the feed declares.
- A content that is given again is noted once, with how often; counts are of what was taken, not of what was given.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter

from mediation.workspace.protocol import Place
from mediation.workspace.rows import Collected

MOST_LISTED = 1000  # of a gap's numbers
GAPS = """
SELECT feed, date, sequence + 1, following - 1 FROM (
    SELECT feed, date, sequence, lead(sequence) OVER (PARTITION BY feed, date ORDER BY sequence) AS following
    FROM source WHERE refused IS NULL AND sequence IS NOT NULL
) AS placed WHERE following > sequence + 1 ORDER BY feed, date, sequence
"""
BEHIND = """
SELECT name, run, feed, date, sequence, counts, newest, highest FROM (
    SELECT source_id, name, run, feed, date, sequence, counts,
        max(date) OVER (PARTITION BY feed ORDER BY source_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS newest,
        max(sequence) OVER (
            PARTITION BY feed, date ORDER BY source_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS highest
    FROM source WHERE refused IS NULL
) AS placed WHERE date < newest OR sequence < highest ORDER BY source_id
"""
REPEATS = """
SELECT repeat.content_hash, repeat.name, feed, run, times FROM repeat
LEFT JOIN source ON source.content_hash = repeat.content_hash AND refused IS NULL
ORDER BY source_id, repeat.content_hash
"""
COLLECTED = f"""
SELECT feed, (SELECT max(date) FROM source WHERE source.feed = collected.feed AND refused IS NULL),
    {", ".join(f"sum({name})" for name in Collected._fields[2:])}
FROM collected GROUP BY feed ORDER BY feed
"""


def collection(place: Place) -> dict[str, list[dict]]:
    """`feeds`, and one row for every file that is `missing`, `repeats`, is `out_of_order` or `late`."""
    out_of_order, late = _behind(place)
    repeats = [
        {"name": name, "feed": feed, "run": run, "times": times}
        for _, name, feed, run, times in place.catalogue.ask(REPEATS)
    ]
    missing: Counter[str] = Counter()
    for feed, _, first, last in place.catalogue.ask(GAPS):
        missing[feed] += last - first + 1
    counts = {
        "missing": missing,
        "repeats": Counter(each["feed"] for each in repeats),
        "out_of_order": Counter(each["feed"] for each in out_of_order),
        "late": Counter(each["feed"] for each in late),
    }
    feeds = []
    for feed, newest, *sums in place.catalogue.ask(COLLECTED):
        told = dict(zip(Collected._fields[2:], sums, strict=True))
        feeds.append({"feed": feed, "newest": newest, **told, **{name: found[feed] for name, found in counts.items()}})
    return {
        "feeds": feeds,
        "missing": missing_files(place),
        "repeats": repeats,
        "out_of_order": out_of_order,
        "late": late,
    }


def missing_files(place: Place) -> list[dict]:
    """Feed, date and number of every missing file; of a gap the first thousand."""
    return [
        {"feed": feed, "date": date, "sequence": sequence}
        for feed, date, first, last in place.catalogue.ask(GAPS)
        for sequence in range(first, min(last, first + MOST_LISTED - 1) + 1)
    ]


def _behind(place: Place) -> tuple[list[dict], list[dict]]:
    out_of_order, late = [], []
    for name, run, feed, date, sequence, counts, newest, highest in place.catalogue.ask(BEHIND):
        named = {"name": name, "run": run, "feed": feed, "date": date}
        if sequence is not None and highest is not None and sequence < highest:
            out_of_order.append({**named, "sequence": sequence, "after": highest})
        days = 0 if newest is None or date is None else (_day(newest) - _day(date)).days
        if days > json.loads(counts).get("late_after_days", days):
            late.append({**named, "days": days})
    return out_of_order, late


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)
