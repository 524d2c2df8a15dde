"""The end of a stack on its hosts: all that runs made of it, but for data, models and secrets.

`pyinfra -y INVENTORY gpufleet.deploys.destroy` says what would go, `sure=true` does it; `--data stack=NAME` ends one
that is no longer declared.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

from pyinfra import logger
from pyinfra.api.deploy import deploy
from pyinfra.api.operation import operation
from pyinfra.context import host

from ..errors import Problem, Refused
from ..facts.remains import StackRemains
from ..render.ports import name as table
from ..schema import Remains, Settings, read
from . import journal as journals
from .fleet import own_data
from .observe import hurry, speaking
from .script import alone, script
from .site import refuse


@deploy("gpufleet")
def destroy(sure: bool = False, journal: str = "") -> None:
    """Tell what of its stack this host has, in the file ``journal`` too, and where the user is ``sure`` end it."""
    if journal:
        journals.begin(host.state, journal)
    hurry(host)
    try:
        told = read(Settings, own_data(host.data.dict()), "group_data")
    except Refused as refused:
        refuse(host, refused.problems)
        return
    stack, root = Path(told.stack).stem, str(told.data_root)
    there = host.get_fact(StackRemains, stack=stack, root=root, engine=told.engine)
    if there is None or (against := [*_against(stack, root, there)]):
        refuse(host, against if there else ())
        return
    for what in (*there.gone, *(f"{path} stays" for path in there.kept)):
        logger.info("%s%s", host.print_prefix, what)
    journals.note(host, "planned", changes=[{"kind": "run", "what": what} for what in there.gone], kept=there.kept)
    if sure or not there.gone:
        ended(name="End the stack", stack=stack, root=root, engine=told.engine, gone=there.gone)
    else:
        journals.note(host, "asked")


def _against(stack: str, root: str, there: Remains) -> Iterator[Problem]:
    """What would be ended half, or is another's."""
    for folder in there.foreign:
        yield Problem("stack", f"{stack} runs from {folder or 'elsewhere'}, not from {root}", "set data_root to that")
    if stack in there.elsewhere:
        yield Problem("engine", f"{stack} also runs under the other engine", "set `engine` to that, and end it first")


@operation()
def ended(stack: str, root: str, engine: str, gone: tuple[str, ...]) -> Generator[str, None, None]:
    """End the stack; what another one has stays."""
    if not gone:
        host.noop(f"nothing of {stack}")
        return
    yield speaking(engine, alone(root) + script("destroy", stack=stack, root=root, table=table(stack)))
