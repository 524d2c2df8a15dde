"""`gpufleet destroy`: end a stack on its hosts; what it has learned stays."""

from __future__ import annotations

import click

from . import options, outcome
from .run import run


@click.command()
@options.hosts
@click.option("--yes", "sure", is_flag=True, help="Do it; without, it only says what would go.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON; docs/report.schema.json describes it.")
def destroy(inventory: str, limit: tuple[str, ...], data: tuple[str, ...], sure: bool, as_json: bool) -> int:
    """End the stack of every host of INVENTORY, which --limit names: containers, networks, units, releases.

    Data, models and secrets stay, and so do the engine, drivers and packages. --data stack=NAME ends a stack that is
    no longer declared. Ends with 0 when nothing of it is left, 2 when --yes is missing, 1 when a host failed or could
    not be reached, 3 when one was refused, 64 when the command line is wrong.
    """
    if not limit:
        raise click.UsageError("name the hosts: --limit HOST, or --limit '*' for all.", click.get_current_context())
    found = run("destroy", inventory, limit, data, *(["sure=true"] if sure else []))
    return outcome.told(found, as_json)
