"""Commands over a workspace: `init`, `use`, `ingest`, `status`, `verify`, `replay`, `suspense`."""

from __future__ import annotations

from pathlib import Path

import click

from mediation.cli.console import fail, print_json, progress, say
from mediation.cli.files import beyond_limits, print_totals


@click.command()
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


@click.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--rulebook", required=True, type=click.Path(path_type=Path), help="Folder of the rule book.")
@click.option("--reference", type=click.Path(path_type=Path), help="Folder of the reference data.")
def use(workspace, rulebook, reference):
    """Make the WORKSPACE's next runs by another rule book or other reference data."""
    from mediation import Workspace

    with Workspace(workspace) as opened:
        opened.use(rulebook, reference)


@click.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--inbox", type=click.Path(path_type=Path), help="Take what is in this folder, and move it when done.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Default: as many as there are processors.")
@click.option("--wait", "wait_s", default=0.0, type=click.FloatRange(0), help="Seconds to wait for another run.")
@click.option("--merge/--no-merge", default=True, help="Put the history's segments together when they are many.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's run.json.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors (and --json).")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def ingest(workspace, inbox, threads, wait_s, merge, as_json, quiet, files):
    """Process FILES into a WORKSPACE: exactly once, whatever is given again or interrupted."""
    from mediation import Workspace

    if bool(files) == (inbox is not None):
        raise click.UsageError("give FILES, or --inbox")
    with Workspace(workspace) as opened, progress(quiet or as_json) as update:
        options = {"threads": threads, "wait_s": wait_s, "merge": merge, "on_progress": update}
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
        for run in report.merges if ran else ():
            say(_merged(run))
    if report is not None and report.merge_fault is not None:
        committed = f"run {report.run.ordinal} is committed; putting the history together has failed after it"
        say(f"mediation: {committed}: {report.merge_fault}; the next run tries again", err=True)
    return beyond_limits(book, result) if result else 0


FEED_COUNTS = (
    *("files", "refused", "missing", "repeats", "out_of_order", "late", "sums_open", "lost_records"),
    *("records_in", "rated", "duplicates", "suspended", "rejected", "unknown_elements"),
)


@click.command()
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
    for each in found["feeds"]:
        counts = ", ".join(f"{name} {each[name]:,}" for name in FEED_COUNTS if each[name])
        say(f"feed     {each['feed'] or 'none':<16} {counts}; newest {each['newest'] or 'without date'}")
    for each in found["missing"]:
        say(f"missing  {each['feed']} {each['date'] or ''} {each['sequence']}")
    for each in found["nodes"]:
        if each["missing"] or each["repeats"]:
            say(f"node     {each['feed']} {each['node']}: missing {each['missing']:,}, again {each['repeats']:,}")
    for each in found["scattered"]:
        say(f"node     {each['feed']}: numbers of run {each['run']} are no sequence, and were not followed")
    for each in found["repeats"]:
        say(f"repeat   {each['name']}: {each['times']} times more, first in run {each['run']}")
    for each in found["out_of_order"]:
        say(f"out of order {each['name']}: after number {each['after']} (run {each['run']})")
    for each in found["late"]:
        say(f"late     {each['name']}: {each['days']} days (run {each['run']})")
    for each in found["suspense"]:
        age = "" if each["age_days"] is None else f", {each['age_days']} days"
        say(f"suspense {each['code']:<28}{each['items']:>12,} since run {each['since_run']}{age}")
    say(f"certificates' last link {found['chain']}")


@click.command()
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


@click.command()
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


@click.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--wait", "wait_s", default=0.0, type=click.FloatRange(0), help="Seconds to wait for another run.")
def merge(workspace, wait_s):
    """Put more of a WORKSPACE's history into one than every ingest does by itself, so that the next one opens less."""
    from mediation import Workspace

    with Workspace(workspace) as opened:
        run = opened.merge(wait_s=wait_s)
    if run is None:
        say("there is nothing to merge: no run was made")
    else:
        say(_merged(run))


def _merged(run):
    return f"run {run.ordinal} is committed: it holds the history of {len(run.arguments['merged'])} runs"


@click.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--wait", "wait_s", default=0.0, type=click.FloatRange(0), help="Seconds to wait for another run.")
def retire(workspace, dry_run, wait_s):
    """Give up what is older than the [retention] of a WORKSPACE's rule book keeps: once a month is enough."""
    from mediation import Workspace

    with Workspace(workspace) as opened:
        run, plan = opened.retire(dry_run=dry_run, wait_s=wait_s)
    days = {"newest event day": plan.watermark, "repeats are recognised from": plan.history_from}
    say(*(f"{name} {day}" for name, day in days.items() if day))
    say(*(f"{part:<8} of {len(runs):,} runs" for part, runs in plan.given_up.items() if runs))
    if plan.waits:
        say(f"tables of {len(plan.waits):,} runs stay: rows wait in them (see `suspense list`)")
    if run is not None:
        say(f"run {run.ordinal} is committed")
    else:
        say("nothing is old enough: no run was made" if plan.is_empty else "no run was made")


@click.group(name="suspense")
def suspense():
    """What could not be charged yet."""


def of_waiting(command):
    """The arguments that choose what is meant."""
    command = click.option("--run", "runs", multiple=True, type=int, help="Of these runs only.")(command)
    command = click.option("--code", "codes", multiple=True, help="Suspended by these codes only.")(command)
    return click.argument("workspace", type=click.Path(path_type=Path))(command)


@suspense.command(name="list")
@of_waiting
@click.option("--json", "as_json", is_flag=True)
def list_waiting(workspace, codes, runs, as_json):
    """Say what waits in a WORKSPACE, by run and code."""
    from mediation import Workspace
    from mediation.errors import EXPLANATIONS

    with Workspace(workspace) as opened:
        found = opened.suspense(codes, runs)
    if as_json:
        print_json({"suspense": found})
        return
    for each in found:
        say(f"run {each['run']:<8}{each['code']:<28}{each['items']:>12,}  {EXPLANATIONS[each['code']]}")
    say(f"{sum(each['items'] for each in found):,} items wait")


@suspense.command()
@of_waiting
@click.option("--rows", default=20, show_default=True, type=click.IntRange(1), help="Most rows to print.")
@click.option("--to", "copy", type=click.Path(path_type=Path), help="Write them whole, to be edited: .csv or .parquet.")
def show(workspace, codes, runs, rows, copy):
    """Say where the rows that wait in a WORKSPACE came from; never what they hold, but to a file (see `recycle`)."""
    from mediation import Workspace

    with Workspace(workspace) as opened:
        if copy is not None:
            count = opened.copy_suspended(copy, codes, runs)
            say("nothing waits: no file was made" if count is None else f"{copy}: {count:,} rows")
            return
        table = opened.suspended(codes, runs)
        names = opened.tables()["files"]
    files = dict(zip(names["source_id"].to_pylist(), names["name"].to_pylist(), strict=True))
    columns = ["source_id", "record_no", "item_no", "byte_offset", "record_type", "stage", "code", "field"]
    for row in [] if table is None else table.select(columns).slice(0, rows).to_pylist():
        place = f"{files[row['source_id']]} record {row['record_no']} item {row['item_no']} at {row['byte_offset']}"
        say(f"{place}: {row['record_type']}: {row['stage']}: {row['code']} {row['field'] or ''}")


@suspense.command()
@of_waiting
@click.option("--edited", type=click.Path(path_type=Path), help="A copy that `show --to` has made: its rows only.")
@click.option("--wait", "wait_s", default=0.0, type=click.FloatRange(0), help="Seconds to wait for another run.")
def recycle(workspace, codes, runs, edited, wait_s):
    """Rate what waits in a WORKSPACE again, by its rule book of today (see `use`), or as it was edited."""
    from mediation import Workspace

    if edited is not None and (codes or runs):
        raise click.UsageError("an edited copy says itself what is meant: leave --code and --run out")
    with Workspace(workspace) as opened:
        if edited is not None:
            say_settled(opened.correct(edited, wait_s=wait_s))
        else:
            say_settled(opened.recycle(codes, runs, wait_s=wait_s))


@suspense.command(name="write-off")
@of_waiting
@click.option("--wait", "wait_s", default=0.0, type=click.FloatRange(0), help="Seconds to wait for another run.")
def write_off(workspace, codes, runs, wait_s):
    """Give up what waits in a WORKSPACE: it is never charged."""
    from mediation import Workspace

    if not codes and not runs:
        raise click.UsageError("name what is given up, by --code or --run")
    with Workspace(workspace) as opened:
        say_settled(opened.write_off(codes, runs, wait_s=wait_s))


def say_settled(settling):
    """What a run of suspense came to."""
    if settling.run is None:
        say("nothing waits: no run was made")
        return
    totals = settling.run.totals
    became = ", ".join(
        f"{name} {totals[name]:,}" for name in ("rated", "suspended", "duplicates", "written_off") if totals[name]
    )
    say(f"run {settling.run.ordinal} is committed: recycled {totals['recycled']:,} = {became}")
