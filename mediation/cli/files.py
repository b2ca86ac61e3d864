"""Commands over files and folders: `run`, `check`, `feeds`, `generate`, `demo`; and how a run's totals are printed.

Conventions
-----------
- Beyond the declared limits OUT is there, so that the exceptions can be looked at, and the exit code says so.
"""

from __future__ import annotations

from pathlib import Path

import click

from mediation.cli.console import MICRO, print_json, progress, say

MOST_LISTED = 5  # refused files


@click.command()
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


@click.command()
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


def ready_feeds() -> dict[str, str]:
    """The text of every feed that comes with the package, by name."""
    from importlib.resources import files as packaged

    found = (packaged("mediation") / "feeds").iterdir()
    return {entry.name.removesuffix(".toml"): entry.read_text("utf-8") for entry in sorted(found, key=lambda e: e.name)}


@click.group()
def feeds():
    """Ready feeds of well-known senders, to copy into a rule book."""


@feeds.command("list")
def list_feeds():
    """Say which there are."""
    for name, text in ready_feeds().items():
        say(f"{name:<12}{text.splitlines()[0].removeprefix('# ')} …")


@feeds.command("show")
@click.argument("name")
def show_feed(name):
    """Print the feed NAME: mediation feeds show NAME > RULEBOOK/feeds/NAME.toml"""
    from mediation.errors import UsageError

    known = ready_feeds()
    if name not in known:
        raise UsageError(f"no ready feed {name}; there are {', '.join(known)}")
    say(*known[name].splitlines())


@click.command()
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


@click.command()
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
    for source in result["sources"]:
        if source["lost_records"]:
            say(f"  {'lost':<12}{'at least':<28}{source['lost_records']:>12,} before {source['name']} was written")
    unknown = sum(source["unknown_elements"] for source in result["sources"])
    if unknown:
        say(f"  {'passed over':<12}{'elements of no layout':<28}{unknown:>12,}")
    say("", "certificate")
    into = ("records_in", "held_before", "recycled")
    out_of = ("rated", "rejected", "suspended", "duplicates", "merged", "filtered", "written_off", "held_after")
    say("  " + " + ".join(f"{name} {result[name]:,}" for name in into))
    say("    = " + " + ".join(f"{name} {result[name]:,}" for name in out_of if result[name] or name == "rated"))
    classes = ", ".join(f"{name} {count:,}" for name, count in result["bytes"].items() if count)
    say(f"  bytes {result['bytes_in']:,} = {classes or 0}")
    say(f"  {'closes' if result['closes'] else 'DOES NOT CLOSE'}; digest {result['digest']}")
    rate = result["records_in"] / max(result["wall_s"], 1e-9)
    took = f"{result['records_in']:,} records in {result['wall_s']:.2f} s: {rate:,.0f} a second"
    say("", f"{took}, {result['threads']} threads, {result['peak_rss_bytes'] / 2**20:,.0f} MiB")


def money(micro: int) -> str:
    """Micro-units with two decimals, rounded half away from zero."""
    cents = (abs(micro) + MICRO // 200) // (MICRO // 100)
    return f"{'-' if micro < 0 else ''}{cents // 100:,}.{cents % 100:02d}"
