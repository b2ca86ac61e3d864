"""What every driver script measures and prints: seconds by stage, wall and CPU, and its results as one JSON line.

Conventions
-----------
- Import this module first: its own import starts the clock.
- CPU seconds are summed over all threads, so that they mean something on a busy machine.
"""

from __future__ import annotations

import json
import time

STARTED_S = time.perf_counter()


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = {}
        self.cpu_s: dict[str, float] = {}
        self.import_s = time.perf_counter() - STARTED_S
        self._last = time.perf_counter(), time.process_time()

    def mark(self, stage: str) -> None:
        """End a stage and begin the next."""
        now = time.perf_counter(), time.process_time()
        self.wall_s[stage] = round(now[0] - self._last[0], 4)
        self.cpu_s[stage] = round(now[1] - self._last[1], 4)
        self._last = now

    def report(self, tool: str, task: str, results: dict) -> None:
        """Print one JSON line."""
        total = round(time.perf_counter() - STARTED_S, 4)
        timing = {
            "import_s": round(self.import_s, 4),
            "total_s": total,
            "stages": self.wall_s,
            "stages_cpu": self.cpu_s,
        }
        print(json.dumps({"tool": tool, "task": task, **timing, **results}))
