"""What no service of a host has any more: shown, and deleted where its name is given.

`pyinfra INVENTORY gpufleet.deploys.purge` shows it with sizes and changes nothing; `delete=data/old,models/x.gguf`
deletes these, and nothing that the plan has.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import logger
from pyinfra.api.deploy import deploy
from pyinfra.api.operation import operation
from pyinfra.context import host

from ..facts.stored import Stored
from ..plan.unused import named, refusals, unused
from ..schema import Plan
from .observe import hurry, spoken
from .script import script
from .site import refuse, target_of


@deploy("gpufleet purge")
def purge(delete: str = "") -> None:
    """Show what this host has and its plan does not; delete what is named in ``delete``, by commas."""
    hurry(host)
    target = target_of(host)
    if target is None or target.plan.unclear:  # what it will have is not known
        refuse(host, target.plan.unclear if target else ())
        return
    plan = target.plan
    stored = host.get_fact(Stored, root=plan.root) or {}
    left, names = unused(plan, stored), named(delete, stored)
    if against := refusals(names, left, stored):
        refuse(host, against)
        return
    for path, size in left.items():
        logger.info("%s%s/%s: %.1f GB%s", host.print_prefix, plan.root, path, size / 1e9, ", deleted" * (path in names))
    deleted(name="Delete what no service has", plan=plan, names=names)


@operation()
def deleted(plan: Plan, names: list[str]) -> Generator[str, None, None]:
    """Delete paths below data_root that no container mounts."""
    if names:
        yield spoken(plan, script("purge", root=plan.root, names="\n".join(names)))
    else:
        host.noop("nothing was to be deleted")
