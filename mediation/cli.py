"""The `mediation` command: argument checks and printing only.

Conventions
-----------
- Exit codes follow BSD's sysexits.h: 0 ok, 64 usage, 65 bad data beyond the declared limit, 66 no input, 70 a
  certificate that does not close, 73 cannot create, 75 temporary, 78 bad rule book.
- An error is one message on stderr, without a traceback and without a field's value.
- What is printed goes through `say`: names of files, codes and texts of a rule book may hold what a terminal obeys.
- Beyond the declared limits OUT is there, so that the exceptions can be looked at, and the exit code says so.
- SIGTERM and SIGHUP end a command as ^C does: cleanly, with nothing published. A reader of stdout that goes away
  (`| head`) changes neither what was done nor the exit code.
- What a command needs is imported when it runs: `--help` is quick.
"""

from __future__ import annotations

import json as jsons
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import click

USAGE, TEMPORARY = 64, 75
MICRO = 1_000_000
MOST_LISTED = 5  # refused files


class Command(click.Group):
    """A group whose errors end in our exit codes."""

    def main(self, args=None, prog_name=None, **extra):
        from mediation.errors import MediationError, RulebookError

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
            fail(TEMPORARY, "stopped before the end; nothing was published")
        except RulebookError as error:
            fail(error.exit_code, error.headline, *error.faults)
        except MediationError as error:
            fail(error.exit_code, str(error))
        except OSError as error:
            fail(TEMPORARY, f"{error.filename or 'I/O'}: {error.strerror or error}")


@contextmanager
def ended_by_signals():
    """SIGTERM and SIGHUP become KeyboardInterrupt, unless somebody else has decided on them (nohup)."""

    def stop(number, frame):
        raise KeyboardInterrupt

    ours = []
    if threading.current_thread() is threading.main_thread():
        ours = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


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


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mediation")
def main():
    """Usage mediation: host files in, deduplicated and twice-rated Arrow tables out."""


@main.command()
@click.option("--rulebook", required=True, type=click.Path(path_type=Path), help="Folder of the rule book.")
@click.option("--reference", type=click.Path(path_type=Path), help="Folder of the reference data.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to create; must not exist.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Default: as many as there are processors.")
@click.option("--columns", help="Of the rated table: names with commas, or a set of the rule book. Default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors (and --json).")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def run(rulebook, reference, out, threads, columns, as_json, quiet, files):
    """Process FILES into OUT: rated usage, exceptions, settlement, certificate."""
    from mediation.pipeline.output import write
    from mediation.rulebook import load_rulebook

    book = load_rulebook(rulebook, reference)
    with progress(quiet or as_json) as update:
        result = write(files, book, out, threads=threads, columns=columns, on_progress=update)
    if as_json:
        print_json(result)
    elif not quiet:
        print_totals(result)
        say(f"written to {out}")
    return beyond_limits(book, result)


def beyond_limits(book, result) -> int:
    """0, or 65 when the run's data are worse than the rule book allows."""
    from mediation.errors import EXPLANATIONS, BadDataError

    limits, faults = book.declared.book.limits, []
    refused = [source for source in result["sources"] if source["refused"]]
    if len(refused) > limits.max_refused_files:
        listed = [
            f"  {source['name']}: {source['refused']}: {source['detail'] or EXPLANATIONS[source['refused']]}"
            for source in refused[:MOST_LISTED]
        ]
        more = [f"  and {len(refused) - MOST_LISTED} more, in run.json"] if len(refused) > MOST_LISTED else []
        faults.append([f"files refused: {len(refused)}, allowed: {limits.max_refused_files}", *listed, *more])
    share = result["rejected"] / max(result["records_in"], 1)
    if share > limits.max_reject_share:
        counts = f"{result['rejected']:,} of {result['records_in']:,}"
        faults.append([f"records rejected: {counts}, allowed: a share of {limits.max_reject_share}; see rejects/"])
    for fault, *details in faults:
        say(f"mediation: more bad data than the rule book allows; {fault}", *details, err=True)
    return BadDataError.exit_code if faults else 0


@main.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--rulebook", required=True, type=click.Path(path_type=Path), help="Folder of the rule book.")
@click.option("--reference", type=click.Path(path_type=Path), help="Folder of the reference data.")
@click.option("--quiet", is_flag=True)
def init(workspace, rulebook, reference, quiet):
    """Make a WORKSPACE, which runs of many days add to."""
    from mediation import Workspace

    with Workspace.init(workspace, rulebook, reference):
        if not quiet:
            say(f"{workspace} is made; `mediation ingest {workspace} FILE…` adds to it")


@main.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--rulebook", required=True, type=click.Path(path_type=Path), help="Folder of the rule book.")
@click.option("--reference", type=click.Path(path_type=Path), help="Folder of the reference data.")
def use(workspace, rulebook, reference):
    """Make the WORKSPACE's next runs by another rule book or other reference data."""
    from mediation import Workspace

    with Workspace(workspace) as opened:
        opened.use(rulebook, reference)


@main.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--inbox", type=click.Path(path_type=Path), help="Take what is in this folder, and move it when done.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Default: as many as there are processors.")
@click.option("--wait", "wait_s", default=0.0, type=click.FloatRange(0), help="Seconds to wait for another run.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's run.json.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors (and --json).")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def ingest(workspace, inbox, threads, wait_s, as_json, quiet, files):
    """Process FILES into a WORKSPACE: exactly once, whatever is given again or interrupted."""
    from mediation import Workspace

    if bool(files) == (inbox is not None):
        raise click.UsageError("give FILES, or --inbox")
    with Workspace(workspace) as opened, progress(quiet or as_json) as update:
        options = {"threads": threads, "wait_s": wait_s, "on_progress": update}
        report = opened.ingest(files, **options) if files else opened.ingest_inbox(inbox, **options)
        book = opened.rulebook()
    result = {} if report is None else report.result
    if as_json:
        print_json(result)
    elif not quiet:
        for repeat in () if report is None else report.repeats:
            which = f"in run {repeat.known_from}" if repeat.known_from else "in another file given with it"
            say(f"{repeat.listed.name}: its content came before, {which}")
        if result:
            print_totals(result)
        ran = report is not None and report.run is not None
        say(f"run {report.run.ordinal} is committed" if ran else "nothing new: no run was made")
    return beyond_limits(book, result) if result else 0


@main.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def status(workspace, as_json):
    """What is committed in a WORKSPACE, and what somebody should look at."""
    from mediation import Workspace

    with Workspace(workspace) as opened:
        found = opened.status()
    if as_json:
        print_json(found)
        return
    say(f"{found['runs']:,} runs, {found['files']:,} files, {len(found['refused']):,} refused")
    say(*(f"  {name:<20}{count:>20,}" for name, count in found["totals"].items() if count))
    say(*(f"refused  {each['name']}: {each['code']} (run {each['run']})" for each in found["refused"]))
    for gap in found["gaps"]:
        say(f"missing  {gap['feed']} {gap['date'] or ''}: {', '.join(map(str, gap['missing'][:20]))}")
    for each in found["suspense"]:
        say(f"suspense {each['code']:<28}{each['items']:>12,} of run {each['run']}")
    say(f"certificates' last link {found['chain']}")


@main.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True)
def verify(workspace, quiet):
    """Check a WORKSPACE from its files: every hash, total and equation."""
    from mediation import Workspace
    from mediation.errors import InvariantError

    with Workspace(workspace) as opened:
        faults = opened.verify()
    if faults:
        fail(InvariantError.exit_code, f"{workspace}: {len(faults)} faults", *faults)
    if not quiet:
        say(f"{workspace}: every hash, total and equation holds")


@main.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.argument("run")
@click.option("--threads", type=click.IntRange(1, 1024), help="Default: as many as there are processors.")
@click.option("--wait", "wait_s", default=0.0, type=click.FloatRange(0), help="Seconds to wait for another run.")
def replay(workspace, run, threads, wait_s):
    """Compute a committed RUN of a WORKSPACE again: its digest must be the same."""
    from mediation import Workspace
    from mediation.errors import InvariantError

    with Workspace(workspace) as opened:
        found = opened.replay(run, threads=threads, wait_s=wait_s)
    if not found.same:
        committed = found.run.totals["digest"]
        fail(InvariantError.exit_code, f"run {found.run.ordinal}: digest {found.digest}, committed {committed}")
    say(f"run {found.run.ordinal}: the same again, digest {found.digest}")


@main.command()
@click.argument("rulebook", type=click.Path(path_type=Path))
@click.option("--reference", type=click.Path(path_type=Path), help="Folder of the reference data.")
@click.option("--quiet", is_flag=True)
def check(rulebook, reference, quiet):
    """Check a RULEBOOK and say everything that is wrong with it."""
    from mediation.errors import RulebookError
    from mediation.rulebook import check_book, load_rulebook

    faults, warnings = check_book(rulebook, reference)
    for warning in () if quiet else warnings:
        say(f"warning: {warning}", err=True)
    if faults:
        raise RulebookError(faults)
    book = load_rulebook(rulebook, reference)
    if not quiet:
        counts = f"{len(book.feeds)} feeds, {len(book.declared.hosts)} hosts, {len(book.declared.products)} products"
        say(f"{book.declared.book.name}: sound; {counts}; hash {book.hash}")


@main.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to create.")
@click.option("--records", default=200_000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--date", default="2026-06-01", show_default=True, type=click.DateTime(["%Y-%m-%d"]))
@click.option("--days", default=1, show_default=True, type=click.IntRange(1))
@click.option("--files", default=4, show_default=True, type=click.IntRange(1), help="Per feed and day.")
@click.option("--subscribers", type=click.IntRange(1), help="Per host.")
@click.option("--feed", "feeds", multiple=True, help="Of these feeds only.")
@click.option("--rulebook", type=click.Path(path_type=Path), help="Default: the example.")
@click.option("--faults", is_flag=True, help="Add a file per feed that must be refused.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print what is expected.")
@click.option("--quiet", is_flag=True)
def generate(out, date, feeds, as_json, quiet, **options):
    """Make raw files, reference data and the truth beside them."""
    from mediation.sample.generate import generate as make

    must_be_new(out)
    expected = make(out, date=date.date(), feeds=list(feeds) or None, **options)
    if as_json:
        print_json(expected)
    elif not quiet:
        say(f"{expected['records']:,} records, {expected['bytes_in']:,} bytes in {out}")


def must_be_new(out: Path) -> None:
    """Raise OutputError where `out` cannot be made."""
    from mediation.errors import OutputError

    if out.exists():
        raise OutputError(f"{out} exists: choose another folder, or move it away")
    if not out.absolute().parent.is_dir():
        raise OutputError(f"{out.parent}: no such folder")


@main.command()
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to create. Default: the first free of demo, demo-2 …"
)
@click.option("--records", default=200_000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--threads", type=click.IntRange(1, 1024))
@click.option("--json", "as_json", is_flag=True, help="Print run.json.")
@click.option("--quiet", is_flag=True)
def demo(out, records, seed, threads, as_json, quiet):
    """Make a day of raw files of three hosts, process them, and show what came of them."""
    import mediation.sample
    from mediation.pipeline.output import write
    from mediation.rulebook import load_rulebook
    from mediation.sample.generate import generate as make

    names = (Path("demo" if number == 1 else f"demo-{number}") for number in range(1, 10_000))
    out = out if out is not None else next(name for name in names if not name.exists())
    must_be_new(out)
    talking = not quiet and not as_json
    if talking:
        say(f"making {records:,} records of a day in {out}")
    rules = Path(mediation.sample.__file__).parent / "rulebook"
    make(out, records=records, seed=seed)
    book = load_rulebook(rules, out / "reference")
    files = sorted((out / "in").iterdir())
    with progress(not talking) as update:
        result = write(files, book, out / "out", threads=threads, on_progress=update)
    if as_json:
        print_json(result)
    elif talking:
        print_settlement(out / "out" / "settlement.csv")
        print_totals(result)
        say(f"Parquet, settlement.csv and run.json are in {out / 'out'}")
    return beyond_limits(book, result)


def print_settlement(path: Path) -> None:
    """The settlement by host and service, from the file that was written."""
    import csv
    from decimal import Decimal

    measures = ("records", "host_charge_amount", "wholesale_amount", "retail_amount", "margin_amount")
    sums: dict[tuple, list] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            line = sums.setdefault((row["host"], row["service"], row["currency"]), [Decimal(0)] * len(measures))
            for place, name in enumerate(measures):
                line[place] += Decimal(row[name] or 0)
    say(
        "",
        f"{'host':<10}{'service':<14}{'records':>12}{'host charge':>16}{'wholesale':>16}{'retail':>16}{'margin':>16}",
    )
    for (host, service, currency), line in sorted(sums.items()):
        amounts = "".join(f"{amount:>16,.2f}" for amount in line[1:])
        say(f"{host:<10}{service:<14}{int(line[0]):>12,}{amounts} {currency}")


def print_totals(result: dict) -> None:
    """Totals, exceptions, certificate and throughput."""
    retail, wholesale = result["retail_micro"], result["wholesale_micro"]
    margin = retail - wholesale
    say("", f"retail {money(retail)}   wholesale {money(wholesale)}   margin {money(margin)}")
    say("", "exceptions by code")
    for kind, codes in result["exceptions"].items():
        for code, count in codes.items():
            say(f"  {kind:<12}{code:<28}{count:>12,}")
    for source in result["sources"]:
        if source["refused"]:
            say(f"  {'refused':<12}{source['refused']:<28}{source['name']}")
    say("", "certificate")
    into = ("records_in", "held_before", "recycled")
    out_of = ("rated", "rejected", "suspended", "duplicates", "merged", "filtered", "written_off", "held_after")
    say("  " + " + ".join(f"{name} {result[name]:,}" for name in into))
    say("    = " + " + ".join(f"{name} {result[name]:,}" for name in out_of if result[name] or name == "rated"))
    classes = ", ".join(f"{name} {count:,}" for name, count in result["bytes"].items() if count)
    say(f"  bytes {result['bytes_in']:,} = {classes}")
    say(f"  {'closes' if result['closes'] else 'DOES NOT CLOSE'}; digest {result['digest']}")
    rate = result["records_in"] / max(result["wall_s"], 1e-9)
    took = f"{result['records_in']:,} records in {result['wall_s']:.2f} s: {rate:,.0f} a second"
    say("", f"{took}, {result['threads']} threads, {result['peak_rss_bytes'] / 2**20:,.0f} MiB")


def money(micro: int) -> str:
    """Micro-units with two decimals, rounded half away from zero."""
    cents = (abs(micro) + MICRO // 200) // (MICRO // 100)
    return f"{'-' if micro < 0 else ''}{cents // 100:,}.{cents % 100:02d}"
