"""The command `inspect`: a binary file by eye."""

from __future__ import annotations

from pathlib import Path

import click

from mediation.cli.console import say

WIDTH = 44  # of tag and name


@click.command(name="inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--records", default=3, show_default=True, type=click.IntRange(0, 1000), help="How many to show.")
@click.option("--unmask", is_flag=True, help="Show subscribers' numbers.")
@click.option("--header-bytes", default=0, type=click.IntRange(0, 65536), help="Of a header of the sender's own.")
def inspect(file, records, unmask, header_bytes):
    """Say what a binary FILE is and holds: format, header, totals, first records; numbers masked."""
    from mediation.errors import BadDataError
    from mediation.pipeline.inspect import inspect as look

    found = look(file, records=records, unmask=unmask, header_bytes=header_bytes)
    say(f"{file.name}: {found.title}")
    if found.file_header:
        say("", "file header", *(f"{name:<20}{text}" for name, text in found.file_header.items() if text))
    sections = (("header", found.header), ("first records", found.first), ("trailer", found.trailer))
    for title, lines in sections:
        if lines:
            say("", title, *map(line_of, lines))
    counted = ", ".join(f"{name} {count:,}" for name, count in sorted(found.record_types.items()))
    say("", f"{found.records:,} records{': ' if counted else ''}{counted}")
    say("bytes: " + ", ".join(f"{name} {count:,}" for name, count in found.bytes.items() if count))
    if found.unknown_elements:
        say(f"passed over: {found.unknown_elements:,} elements that the format's table does not name")
    for code, count in sorted(found.rejects.items()):
        say(f"rejected  {code:<24}{count:>12,}")
    if found.refused:
        say(f"a run would refuse it: {found.refused}")
        return BadDataError.exit_code
    say({True: "its totals agree", False: "its totals cannot be checked", None: "it has no totals"}[found.sum_verified])
    return 0


def line_of(line) -> str:
    """One element: offset, tag and name by depth, length, value."""
    what = f"{'  ' * line.depth}{line.tag} {line.name}".rstrip()
    return f"{line.offset:>10}  {what:<{WIDTH}} {line.length:>7}  {line.value}".rstrip()
