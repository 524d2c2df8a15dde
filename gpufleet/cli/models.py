"""`gpufleet models`: what every host has of models, who uses it, and what could go."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ..schema import Held, HostStock, Stock
from . import options, text, words
from .ask import ask
from .ask import options as spelled
from .codes import worst

HEAD = tuple(Text(word, "dim") for word in ("PATH", "SIZE", "IS", "VERIFIED", "USED BY"))
VERIFIED = {True: "yes", False: "no", None: "-"}
USED = {True: "nothing", False: "the next run", None: "not known"}


@click.command()
@options.hosts
@click.option("--deep", is_flag=True, help="Read every file again, and compare it with its digest.")
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON; docs/models.schema.json describes it.")
def models(inventory: str, limit: tuple[str, ...], data: tuple[str, ...], deep: bool, as_json: bool) -> int:
    """Show what every host of INVENTORY has of models, which services use it, and what none does; change nothing.

    Ends with 0, with 3 when a run would refuse a host, 1 when a host could not be asked or --deep finds something
    wrong, 64 when the command line is wrong.
    """
    found = ask(Stock, "stock", inventory, limit, data, *(["deep=true"] if deep else []))
    if as_json:
        click.echo(found.model_dump_json(indent=1))
    else:
        show(text.console(), found, inventory, data)
    return worst("failed" if h.wrong else h.state for h in found.hosts.values())


def show(console: Console, found: Stock, inventory: str, data: tuple[str, ...]) -> None:
    """Print a table for each host, and how to delete what nothing uses."""
    for name, host in found.hosts.items():
        console.print(_title(name, host))
        for problem in (*host.problems, *host.wrong):
            console.print(Text(f"  {problem}"))
        if host.held:
            table = text.grid(len(HEAD), [HEAD, *(_row(one) for one in host.held)], folds=0)
            console.print(Padding(table, (0, 0, 0, 2), expand=False))
        for line in _purge(name, host, inventory, data):
            console.print(Text(line), soft_wrap=True)
        console.print()


def _title(name: str, host: HostStock) -> Text:
    if not host.root:
        return Text(name, "bold")
    free = "" if host.free_bytes is None else f", {words.size(host.free_bytes)} free"
    return Text.assemble((name, "bold"), f"  {words.size(host.bytes)} in {host.root}/models{free}")


def _row(one: Held) -> tuple[str, ...]:
    used = ", ".join(one.services) or USED[one.unused]
    return one.path.removeprefix("models/"), words.size(one.bytes), one.what, VERIFIED[one.verified], used


def _purge(name: str, host: HostStock, inventory: str, data: tuple[str, ...]) -> Iterator[str]:
    left = [one for one in host.held if one.unused]
    if left:
        command = ["pyinfra", "-y", *spelled((name,), data), inventory, "gpufleet.deploys.purge"]
        size = words.size(sum(one.bytes for one in left))
        yield f"  {size} used by nothing; to delete it, but for what you take out:"
        yield f"  {shlex.join([*command, 'delete=' + ','.join(one.path for one in left)])}"
