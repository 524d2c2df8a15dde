"""The end of a stack on its hosts: all that runs made of it, but for data, models and secrets.

`pyinfra -y INVENTORY gpufleet.deploys.destroy` says what would go, `sure=true` does it; `--data stack=NAME` ends one
that is no longer declared.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import logger
from pyinfra.api.deploy import deploy
from pyinfra.api.operation import operation
from pyinfra.context import host

from ..errors import Refused
from ..facts.remains import StackRemains
from ..facts.section import ENGINE
from ..plan import Wanted
from ..render.ports import name as table
from ..schema import Remains
from . import fleet
from . import journal as journals
from .observe import hurry
from .script import alone, script
from .site import refuse


@deploy("gpufleet")
def destroy(sure: bool = False, journal: str = "") -> None:
    """Tell what of its stack this host has, in the file ``journal`` too, and where the user is ``sure`` end it."""
    if journal:
        journals.begin(host.state, journal)
    hurry(host)
    try:
        wanted = fleet.wanted(host)
    except Refused as refused:
        refuse(host, refused.problems)
        return
    root = wanted.settings.data_root
    there = host.get_fact(StackRemains, stack=wanted.stack, root=root, engine=wanted.settings.engine)
    if there is None:
        refuse(host)
        return
    journals.note(host, "planned", changes=[{"kind": "run", "what": what} for what in there.gone], kept=there.kept)
    for what in (*there.gone, *(f"{path} stays" for path in there.kept)):
        logger.info("%s%s", host.print_prefix, what)
    if sure or not there.gone:
        ended(name="End the stack", wanted=wanted, there=there)
    else:
        journals.note(host, "asked")


@operation()
def ended(wanted: Wanted, there: Remains) -> Generator[str, None, None]:
    """End the stack; what another one has stays."""
    if not there.gone:
        host.noop(f"nothing of {wanted.stack}")
        return
    root = wanted.settings.data_root
    paths = " ".join(what.removeprefix("path ") for what in there.gone if what.startswith("path "))
    told = {"stack": wanted.stack, "table": table(wanted.stack), "paths": paths}
    yield f"engine={wanted.settings.engine}\n{ENGINE}{alone(root)}{script('destroy', **told)}"
