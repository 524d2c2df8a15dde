"""The stock: what every host has of models, as JSON, changing nothing. `gpufleet models` prints it.

`pyinfra -y INVENTORY gpufleet.deploys.stock report=FILE`; with `deep=true` every file is read again, and what is wrong
counts as not verified from then on.
"""

from __future__ import annotations

from pyinfra.api.deploy import deploy
from pyinfra.api.host import Host

from ..facts.stored import Models
from ..plan.stock import digests
from ..plan.stock import stock as stocked
from ..schema import HostStock, Stock
from .deep import read_again
from .gather import gather
from .site import aim

_FOUND: dict[str, HostStock] = {}


@deploy("gpufleet stock")
def stock(report: str, deep: bool = False) -> None:
    """Look at this host; the last one writes what is known of them all."""
    gather(report, _FOUND, lambda host: _of(host, deep), HostStock, lambda hosts: Stock(hosts=hosts))


def _of(host: Host, deep: bool) -> HostStock | None:
    if (aimed := aim(host)) is None:
        return None
    target, facts = aimed
    store = host.get_fact(Models, root=target.plan.root)
    if store is None:
        return None
    read = read_again(host, target.plan.root, digests(target.plan, store)) if deep else {}
    return None if read is None else stocked(target.plan, facts, store, read)
