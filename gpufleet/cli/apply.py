"""`gpufleet apply`: bring the hosts to what is declared, say what that did, and write it down."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, outcome, reports
from .run import run


@click.command()
@options.hosts
@click.option("--json", "as_json", is_flag=True, help="The report as JSON; docs/report.schema.json describes it.")
@click.option("--quiet", is_flag=True, help="Print nothing when there was nothing to do.")
@click.option(
    "--report",
    "files",
    multiple=True,
    callback=reports.checked,
    metavar="FILE",
    help="Write the report, as FILE ends: .json, .md (for a pull request), .xml (JUnit). May be repeated.",
)
def apply(
    inventory: str, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool, quiet: bool, files: tuple[Path, ...]
) -> int:
    """Bring every host of INVENTORY to what is declared for it; what is right already stays as it is.

    Nothing is asked. Ends with 0 when all is as it should be, 1 when a host failed or could not be reached, 3 when
    one was refused, and not touched, 2 when the rest comes after a reboot, 64 when the command line is wrong.
    """
    found = run("apply", inventory, limit, data)
    for file in files:
        reports.write(file, found)
    return outcome.told(found, as_json, quiet)
