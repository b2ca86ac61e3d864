"""Medians over rounds and the Markdown table that the README carries.

Conventions
-----------
- A ratio is formed within one round, where all programs met the same machine; what is shown is the median of these
  ratios, never a ratio of medians. Above 1 means that `mediation` is faster.
"""

from __future__ import annotations

from statistics import median

from benchmarks.measure import Measurement

OURS = "mediation"
HEADER = (
    "| task | program | seconds | CPU seconds | M records/s | peak GB | mediation is faster by |\n"
    "|---|---|---:|---:|---:|---:|---|\n"
)
Rounds = list[dict[str, Measurement]]  # one dict per round: program -> what it cost


def ratios(rounds: Rounds, program: str) -> list[float]:
    """How many times longer `program` took than we did, round by round."""
    return [each[program].wall_s / each[OURS].wall_s for each in rounds if OURS in each and program in each]


def best_peer_ratio(rounds: Rounds) -> float | None:
    """The median over rounds of the faster peer's seconds over ours."""
    found = [
        min(run.wall_s for program, run in each.items() if program != OURS) / each[OURS].wall_s
        for each in rounds
        if OURS in each and len(each) > 1
    ]
    return median(found) if found else None


def task_lines(task: str, rounds: Rounds, records: int) -> list[str]:
    """The rows of one task."""
    lines = []
    for program in rounds[0]:
        runs = [each[program] for each in rounds]
        wall = median(run.wall_s for run in runs)
        cells = [
            task,
            program,
            f"{wall:.2f}",
            f"{median(run.cpu_s for run in runs):.2f}",
            f"{records / wall / 1e6:.2f}",
            f"{median(run.peak_bytes for run in runs) / 1e9:.2f}",
        ]
        own = ratios(rounds, program) if program != OURS else []
        cells.append(f"{median(own):.2f}× ({min(own):.2f}–{max(own):.2f})" if own else "")
        lines.append("| " + " | ".join(cells) + " |\n")
    return lines


def table(results: dict[str, Rounds], records: int) -> str:
    """The whole table in Markdown."""
    lines = [line for task, rounds in results.items() for line in task_lines(task, rounds, records)]
    return HEADER + "".join(lines)
