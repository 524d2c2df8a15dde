"""What is read of a command line, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def pairs(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not value.partition("=")[1]:
            raise click.BadParameter(f"'{value}' is not KEY=VALUE.", ctx=ctx, param=option)
    return values


def inventory(ctx: click.Context, argument: click.Parameter, value: str) -> str:
    if Path(value).is_dir():
        raise click.BadParameter(f"'{value}' is a folder; give a file in it.", ctx=ctx, param=argument)
    if value.endswith(".py") and not Path(value).is_file():
        raise click.BadParameter(f"there is no file '{value}'.", ctx=ctx, param=argument)
    if not all(value.split(",")):
        raise click.BadParameter(f"'{value}' has a host without a name.", ctx=ctx, param=argument)
    return value


def rate(ctx: click.Context, option: click.Parameter, value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if not 0.001 <= rate <= 1e6:
        raise click.BadParameter(f"'{value}' is no number of Mbit/s from 0.001 to 1000000.", ctx=ctx, param=option)
    return rate


def settings(given: Iterable[str]) -> dict[str, Any]:
    """KEY=VALUE as pyinfra reads them: JSON, or text.

    >>> settings(["tier=8g", "keep_releases=3", 'services={"redis": false}'])
    {'tier': '8g', 'keep_releases': 3, 'services': {'redis': False}}
    """
    return {key: _read(value) for key, _, value in (pair.partition("=") for pair in given)}


def _read(value: str) -> Any:
    try:
        return json.loads(value.lower() if value.lower() in ("true", "false") else value)
    except ValueError:
        return value


# The arguments of what asks hosts.
_HOSTS = (
    click.argument("inventory", callback=inventory),
    click.option("--limit", multiple=True, metavar="HOST", help="Only these hosts or groups; may be repeated."),
    click.option("--data", multiple=True, metavar="KEY=VALUE", callback=pairs, help="Settings above all others."),
)


def hosts(command: CommandT) -> CommandT:
    """Give a command INVENTORY, --limit and --data."""
    for add in reversed(_HOSTS):
        command = add(command)
    return command
