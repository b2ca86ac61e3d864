"""What every command stands on: exit codes, errors as messages, printing, the progress bar.

Conventions
-----------
- An error is one message on stderr, without a traceback and without a field's value.
- What is printed goes through `say`: names of files, codes and texts of a rule book may hold what a terminal obeys.
- SIGTERM and SIGHUP end a command as ^C does: cleanly, with nothing published. A reader of stdout that goes away
  (`| head`) changes neither what was done nor the exit code.
"""

from __future__ import annotations

import json as jsons
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress

import click

USAGE, TEMPORARY = 64, 75
MICRO = 1_000_000


class Command(click.Group):
    """A group whose errors end in our exit codes."""

    def main(self, args=None, prog_name=None, **extra):
        from mediation.errors import FaultsError, MediationError

        extra["standalone_mode"] = False
        try:
            with ended_by_signals():
                result = super().main(args, prog_name or "mediation", **extra)
            sys.exit(result if isinstance(result, int) else 0)
        except click.ClickException as error:
            error.message = "\n".join(map(shown, error.message.split("\n")))  # a help text has lines
            error.show()
            sys.exit(USAGE)
        except (click.exceptions.Abort, KeyboardInterrupt):
            fail(TEMPORARY, "stopped before the end; nothing half done was published")
        except FaultsError as error:
            fail(error.exit_code, error.headline, *error.faults)
        except MediationError as error:
            fail(error.exit_code, str(error))
        except OSError as error:
            fail(TEMPORARY, f"{error.filename or 'I/O'}: {error.strerror or error}")


def as_process(command: click.Group) -> None:
    """The command as a process of its own, which is left at once: what is to last is on disk, what was said is printed.

    To free what a run has held takes the interpreter longer than the system. And a library's threads may still hold
    what is to be freed with the interpreter's lock: one that comes to it while the interpreter ends aborts the process.
    What waits for the interpreter's end, as a profiler around the command does, waits in vain.
    """
    try:
        command()
    except SystemExit as end:
        if not (end.code is None or isinstance(end.code, int)):
            raise  # a text to print
        for stream in filter(None, (sys.stdout, sys.stderr)):  # one that was never open is None
            with suppress(OSError):  # whatever was printed is flushed: see `echo`
                stream.flush()
        os._exit(end.code or 0)


@contextmanager
def ended_by_signals():
    """SIGINT, SIGTERM and SIGHUP end in KeyboardInterrupt, unless somebody else has decided on them (nohup).

    Whatever was raised after one came is its doing: a library that it meets while importing makes an error of its own
    of it.
    """
    came = False

    def stop(number, frame):
        nonlocal came
        came = True
        raise KeyboardInterrupt

    undecided = {signal.SIG_DFL, signal.default_int_handler}
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    ours = [each for each, handler in before.items() if handler in undecided]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for each in ours:
        signal.signal(each, stop)
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        for each in ours:
            signal.signal(each, before[each])


def shown(text: str) -> str:
    """The text as a terminal may be given it: what is not printable (controls, line ends, direction overrides, bytes
    that are no UTF-8) as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(*lines: str, err: bool = False) -> None:
    """Print lines, none of which can end early or be anything but text."""
    for line in lines:
        echo(shown(line), err)


def echo(line: str, err: bool = False) -> None:
    """Print a line on stdout or stderr, as long as somebody reads it."""
    try:
        click.echo(line, err=err)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if err else sys.stdout).fileno())


def fail(code: int, message: str, *more: str) -> None:
    """Print one message, perhaps with lines of detail, and end."""
    say(f"mediation: {message}", *more, err=True)
    sys.exit(code)


def print_json(report: dict) -> None:
    """Print what a program reads: ASCII, where JSON escapes the rest."""
    echo(jsons.dumps(report))


@contextmanager
def progress(quiet: bool):
    """A progress bar on a terminal, nothing elsewhere: gives what `write` calls."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    shown = "{task.fields[records]:,} records"
    console = Console(stderr=True)
    columns = BarColumn(), TextColumn("{task.percentage:3.0f} %"), TextColumn(shown), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, records=0)

        def update(stream):
            bar.update(task, total=stream.bytes_total, completed=stream.bytes_done, records=stream.records_done)

        yield update
