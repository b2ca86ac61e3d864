"""The `mediation` command: argument checks and printing only.

    console ◀─ files ◀─ workspaces
       ◀─ inspect

Conventions
-----------
- Exit codes follow BSD's sysexits.h: 0 ok, 64 usage, 65 bad data beyond the declared limit, 66 no input, 70 a
  certificate that does not close or damaged state, 73 cannot create, 75 temporary, 78 bad rule book.
- What a command needs is imported when it runs: `--help` is quick.
"""

from __future__ import annotations

import click

from mediation.cli import files, workspaces
from mediation.cli.console import Command, as_process
from mediation.cli.inspect import inspect


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mediation")
def main():
    """Usage mediation: host files in, deduplicated and twice-rated Arrow tables out."""


for command in (files.run, files.check, files.feeds, inspect, files.generate, files.demo):
    main.add_command(command)
for command in (
    *(workspaces.init, workspaces.use, workspaces.ingest, workspaces.status, workspaces.verify),
    *(workspaces.replay, workspaces.suspense, workspaces.merge, workspaces.retire),
):
    main.add_command(command)


def program() -> None:
    """What is installed as `mediation`."""
    as_process(main)
