"""What a figure needs beside it: the processor, how busy it was, and the versions of everything."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

PROGRAMS = ("mediation", "duckdb", "polars", "pyarrow")


def processor() -> str:
    """The processor's name, as far as the system tells."""
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def memory_bytes() -> int:
    """Physical memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def version(program: str) -> str:
    """A program and its version."""
    try:
        return f"{program} {importlib.metadata.version(program)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {program}"


def heading() -> str:
    """The lines that stand above every table."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{processor()}, {os.cpu_count()} processors, {memory_bytes() / 1e9:.0f} GB; load average {load}\n"
        f"{', '.join(map(version, PROGRAMS))}; Python {platform.python_version()}, {platform.system()}\n"
    )
