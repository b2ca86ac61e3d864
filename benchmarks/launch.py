"""Starts one program and notes what it cost; run by `measure.run`.

    python -I -S launch.py COST_FILE PROCESSORS PROGRAM [ARGUMENT ...]

Conventions
-----------
- As small as Python gets: the kernel counts what a process's parent held when it was started into the process's own
  peak, so that a large parent would hide a small program (this one is some 10 MB).
- The program has no more than that many of the processors (0: all), whatever threads it starts.
- Wall seconds are from start to end of the program; CPU seconds are user and system, of all its threads and children.
"""

import json
import os
import sys
import time


def confine(processors: int) -> None:
    """Leave this process, and what it starts, so many of its processors."""
    if processors and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:processors])


def main() -> int:
    """Run the command line."""
    cost_file, processors, program, *arguments = sys.argv[1:]
    confine(int(processors))
    began = time.perf_counter()
    pid = os.posix_spawn(program, [program, *arguments], os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024
    cost = {"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * unit}
    with open(cost_file, "w") as file:
        json.dump(cost, file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
