"""The command `gpufleet`: what the deploys know, for people and with exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from rich.console import Console

from ..errors import choose
from ..schema import Forecast
from . import options, text, words
from .ask import Unasked, ask
from .codes import CODES, USAGE
from .explain import explain
from .export import export
from .lock import lock

UNFOLDED = 2000


def main(args: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    try:
        code: int = command.main(args, prog_name="gpufleet", standalone_mode=False) or 0
        sys.stdout.flush()
        return code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "gpufleet"
        click.echo(f"{where}: {' '.join(error.format_message().split())} See {where} --help", err=True)
    except click.Abort:
        return CODES["failed"]
    except OSError as error:
        return _unwritten(error)
    return USAGE


def _unwritten(error: OSError) -> int:
    """The end of what has no room; who closed a pipe has read enough, and is told nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is written at the end of Python
    if not isinstance(error, BrokenPipeError):
        click.echo(f"gpufleet: {error.filename or 'the output'}: {error.strerror}", err=True)
    return CODES["failed"]


@click.group(name="gpufleet")
def command() -> None:
    """Linux boxes with GPUs into running, self-hosted AI stacks."""


command.add_command(export)
command.add_command(lock)


@command.command()
@click.argument("inventory", callback=options.inventory)
@click.option("--limit", multiple=True, metavar="HOST", help="Only these hosts or groups; may be repeated.")
@click.option("--data", multiple=True, metavar="KEY=VALUE", callback=options.pairs, help="Settings above all others.")
@click.option("--json", "as_json", is_flag=True, help="The forecast as JSON; docs/forecast.schema.json describes it.")
@click.option("--explain", "service", metavar="SERVICE", help="Why this service is where it is, and what it needs.")
@click.option(
    "--rate",
    callback=options.rate,
    default="100",
    show_default=True,
    metavar="MBIT/S",
    help="What downloads are reckoned with.",
)
def plan(
    inventory: str, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool, service: str | None, rate: float
) -> int:
    """Show what a run would do to every host of INVENTORY, and change nothing.

    Ends with 0 when there is nothing to do, 2 when there is, 3 when a run would refuse a host, 1 when a host could
    not be asked, 64 when the command line is wrong.
    """
    out, err = _console(stderr=False), _console(stderr=True)
    try:
        with err.status("asking the hosts ...") if err.is_terminal else err:
            found = ask(inventory, limit, data)
    except Unasked as error:
        click.echo(f"gpufleet plan: {error}", err=True)
        return USAGE if error.usage else CODES["failed"]
    if service:
        _known(service, found)
    if as_json:
        click.echo(found.model_dump_json(indent=1))
    elif service:
        out.print(explain(found, service))
    else:
        text.show(out, found, rate)
    return next((code for state, code in CODES.items() if any(h.state == state for h in found.hosts.values())), 0)


def _console(stderr: bool) -> Console:
    """As wide as its terminal; what goes into a pipe or a file is not folded."""
    console = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
    console.width = max(console.width, 60) if console.is_terminal else UNFOLDED
    return console


def _known(service: str, found: Forecast) -> None:
    names = {name for h in found.hosts.values() for name in words.services(h)}
    if names and service not in names:
        what = f"--explain: no host's stack has '{service}'; {choose(service, names)}"
        raise click.UsageError(what, click.get_current_context())
