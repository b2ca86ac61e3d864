"""Medians over rounds and the Markdown tables that the READMEs carry.

Conventions
-----------
- A ratio is formed within one round, where all programs met the same machine; what is shown is the median of these
  ratios, with the least and the greatest, never a ratio of medians. Above 1 means that `mediation` is faster.
- The line of `mediation` compares it with the better peer of each round: the faster one, and the leaner one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from benchmarks.measure import Measurement

OURS = "mediation"
COLUMNS = (
    *("task", "program", "seconds", "CPU seconds", "M records/s", "peak GB"),
    *("mediation is faster by", "and needs of the memory"),
)
Rounds = list[dict[str, Measurement]]  # one dict per round: program -> what it cost


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """A table whose first columns are text and the others numbers."""
    ruler = ["---"] * text_columns + ["---:"] * (len(columns) - text_columns)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (columns, ruler, *rows))


def seconds(value: float) -> str:
    """Seconds with two decimals, or three below one."""
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def spread(values: list[float]) -> str:
    """Median, least and greatest."""
    return f"{median(values):.2f}× ({min(values):.2f}–{max(values):.2f})" if values else ""


def ratios(rounds: Rounds, program: str) -> list[float]:
    """How many times longer `program` took than we did, round by round."""
    return [each[program].wall_s / each[OURS].wall_s for each in rounds if OURS in each and program in each]


def best_peer_ratios(rounds: Rounds) -> list[float]:
    """The faster peer's seconds over ours, round by round."""
    return [least(each, lambda cost: cost.wall_s) / each[OURS].wall_s for each in rounds if has_both(each)]


def memory_shares(rounds: Rounds) -> list[float]:
    """Our peak memory over the leaner peer's, round by round."""
    return [each[OURS].peak_bytes / least(each, lambda cost: cost.peak_bytes) for each in rounds if has_both(each)]


def has_both(each: dict[str, Measurement]) -> bool:
    """Whether we and a peer ran in this round."""
    return OURS in each and len(each) > 1


def least(each: dict[str, Measurement], of: Callable[[Measurement], float]) -> float:
    """The least of the peers."""
    return min(of(cost) for program, cost in each.items() if program != OURS)


def task_rows(task: str, rounds: Rounds, records: int) -> list[list[str]]:
    """The rows of one task."""
    rows = []
    for program in rounds[0]:
        runs = [each[program] for each in rounds]
        wall, peak = median(run.wall_s for run in runs), median(run.peak_bytes for run in runs)
        faster, memory = spread(ratios(rounds, program)), ""
        if program == OURS:
            faster, shares = spread(best_peer_ratios(rounds)), memory_shares(rounds)
            memory = f"{median(shares):.2f}" if shares else ""
        cost = seconds(wall), seconds(median(run.cpu_s for run in runs))
        rows.append([task, program, *cost, f"{records / wall / 1e6:.2f}", f"{peak / 1e9:.2f}", faster, memory])
    return rows


def table(results: dict[str, Rounds], records: int) -> str:
    """The whole table in Markdown."""
    rows = [row for task, rounds in results.items() for row in task_rows(task, rounds, records)]
    return markdown(COLUMNS, rows, text_columns=2)
