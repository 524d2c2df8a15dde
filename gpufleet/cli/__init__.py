"""The command `gpufleet`: what the deploys know, for people and with exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from ..errors import choose
from ..schema import Forecast
from . import options, text, words
from .apply import apply
from .ask import Unasked, ask
from .bundle import bundle
from .codes import CODES, USAGE, worst
from .destroy import destroy
from .doctor import doctor
from .explain import explain
from .export import export
from .lock import lock
from .models import models


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
    except Unasked as error:
        click.echo(f"{error.where}: {error}", err=True)
        return USAGE if error.usage else CODES["failed"]
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


command.add_command(apply)
command.add_command(bundle)
command.add_command(destroy)
command.add_command(doctor)
command.add_command(export)
command.add_command(lock)
command.add_command(models)


@command.command()
@options.hosts
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
    found = ask(Forecast, "forecast", inventory, limit, data)
    if service:
        _known(service, found)
    if as_json:
        click.echo(found.model_dump_json(indent=1))
    elif service:
        text.console().print(explain(found, service))
    else:
        text.show(text.console(), found, rate)
    return worst(h.state for h in found.hosts.values())


def _known(service: str, found: Forecast) -> None:
    names = {name for h in found.hosts.values() for name in words.services(h)}
    if names and service not in names:
        what = f"--explain: no host's stack has '{service}'; {choose(service, names)}"
        raise click.UsageError(what, click.get_current_context())
