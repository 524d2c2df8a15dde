"""`gpufleet lock`: what the names of models and images stand for, looked up once and written down."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..catalog.lockfile import lock as lock_at
from ..errors import Refused, choose
from . import options
from .ask import Unasked
from .codes import CODES, USAGE

if TYPE_CHECKING:
    from ..schema import Lock
    from .locking.needs import Needs

ALL = "all of them"


@click.command()
@click.argument("inventory", callback=options.inventory)
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
    of date, 3 when a host's settings are refused, 64 when the command line is wrong.
    """
    # Pyinfra and the Hub's client take a second to load: other commands do without.
    from .locking.needs import needs

    try:
        found = {Path(path): (of, lock_at(Path(path))) for path, of in needs(inventory, data).items()}
    except Unasked as error:
        return _told([error], USAGE)
    except Refused as refused:
        return _told(refused.problems, CODES["blocked"])
    if upgrade not in (None, ALL):
        _known(str(upgrade), [need.names | {need.key} for of, _ in found.values() for need in of.values()])
    codes = [
        _checked(path, *those) if check else _renewed(path, *those, upgrade) for path, those in sorted(found.items())
    ]
    return 1 if 1 in codes else max(codes)


def _checked(path: Path, needs: Needs, locked: Lock) -> int:
    from .locking.renew import entries

    there = entries(locked)
    stale = [f"missing  {key[1]}" for key in sorted(needs.keys() - there.keys())]
    stale += [f"unused   {key[1]}" for key in sorted(there.keys() - needs.keys())]
    for line in stale or [f"{path}: up to date"]:
        click.echo(line)
    return CODES["changes"] if stale else CODES["same"]


def _renewed(path: Path, needs: Needs, locked: Lock, upgrade: str | None) -> int:
    from .locking.renew import entries, found, told, write

    old = entries(locked)
    again = {key for key, need in needs.items() if upgrade in (ALL, need.key) or upgrade in need.names}
    new, problems = found(needs, {key: entry for key, entry in old.items() if key not in again})
    # What could not be looked up again is what it was.
    new = {key: entry for key, entry in {**old, **new}.items() if key in needs}
    if new != old:
        try:
            write(path, new)
        except OSError as error:
            return _told([f"{path}: cannot be written: {error.strerror}; check the setting `lock`"], CODES["failed"])
    for line in told(old, new) or [f"{path}: nothing to change"]:
        click.echo(line)
    return _told(problems, CODES["failed"]) if problems else CODES["same"]


def _known(name: str, groups: Iterable[set[str]]) -> None:
    names = set().union(*groups)
    if name not in names:
        what = f"--upgrade: no host needs '{name}'; {choose(name, names)}"
        raise click.UsageError(what, click.get_current_context())


def _told(lines: Iterable[object], code: int) -> int:
    for line in lines:
        click.echo(f"gpufleet lock: {line}", err=True)
    return code
