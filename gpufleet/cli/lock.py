"""`gpufleet lock`: what the names of models and images stand for, looked up once and written down."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import click

from ..catalog.lockfile import lock as lock_at
from ..errors import Refused, choose
from . import options
from .codes import CODES

ALL = "all of them"


def _inventory(ctx: click.Context, argument: click.Parameter, value: str | None) -> str:
    """It may have been taken for what is to be upgraded."""
    if value is not None:
        return options.inventory(ctx, argument, value)
    took = ctx.params.get("upgrade")
    if took and took != ALL:
        raise click.UsageError(f"'{took}' is the NAME of --upgrade here; write --upgrade behind INVENTORY.", ctx)
    raise click.MissingParameter(ctx=ctx, param=argument)


@click.command()
@click.argument("inventory", callback=_inventory, required=False, metavar="INVENTORY")
@click.option("--data", multiple=True, metavar="KEY=VALUE", callback=options.pairs, help="Settings above all others.")
@click.option(
    "--upgrade",
    is_flag=False,
    flag_value=ALL,
    metavar="[NAME]",
    help="Look up again what is locked already: all, or one model or image. Write it behind INVENTORY.",
)
@click.option("--check", is_flag=True, help="Only say whether the file has what the hosts need; asks no server.")
def lock(inventory: str, data: tuple[str, ...], upgrade: str | None, check: bool) -> int:
    """Write down what the models and images of INVENTORY's hosts are now, by commit and digest, in gpufleet.lock.

    No host is connected to. What the file has stays as it is, what no host needs any more goes.

    Ends with 0, with 1 when something could not be looked up (the rest is written), 2 when --check finds the file out
    of date, 3 when a run would refuse a host, 64 when the command line is wrong.
    """
    if check and upgrade:
        raise click.UsageError("--check looks nothing up: leave out --upgrade.", click.get_current_context())
    # Pyinfra and the Hub's client take a second to load: other commands do without.
    from .locking.needs import against, needs, of_inventory
    from .locking.renew import renewed, stale

    hosts = of_inventory(inventory, data)
    try:
        found = [(Path(path), of, lock_at(Path(path))) for path, of in sorted(needs(hosts).items())]
    except Refused as refused:
        return _told(refused.problems, CODES["blocked"])
    if check:
        lines = [line for path, of, locked in found for line in stale(path, of, locked)]
        _said(lines or [f"{path}: up to date" for path, *_ in found])
        return _told(against(hosts), CODES["blocked"]) or CODES["changes" if lines else "same"]
    if upgrade not in (None, ALL):
        _known(str(upgrade), {name for _, of, _ in found for need in of.values() for name in need.names})
    done = [
        renewed(path, of, locked, lambda need: upgrade == ALL or upgrade in need.names) for path, of, locked in found
    ]
    _said([line for lines, _ in done for line in lines])
    codes = (
        _told([problem for _, problems in done for problem in problems], CODES["failed"]),
        _told(against(hosts), CODES["blocked"]),
    )
    return next(filter(None, codes), CODES["same"])


def _known(name: str, names: Iterable[str]) -> None:
    if name not in names:
        what = f"--upgrade: no host needs '{name}'; {choose(name, names)}"
        raise click.UsageError(what, click.get_current_context())


def _said(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _told(lines: Collection[object], code: int) -> int:
    """``code``, where there is anything to tell."""
    for line in lines:
        click.echo(f"gpufleet lock: {line}", err=True)
    return code if lines else CODES["same"]
