"""The stock: what every host has of models, as JSON, changing nothing. `gpufleet models` prints it.

`pyinfra -y INVENTORY gpufleet.deploys.stock report=FILE`
"""

from __future__ import annotations

from pyinfra.api.deploy import deploy
from pyinfra.api.host import Host

from ..facts.stored import Models
from ..plan.stock import stock as stocked
from ..schema import HostStock, Stock
from .gather import gather
from .site import aim

_FOUND: dict[str, HostStock] = {}


@deploy("gpufleet stock")
def stock(report: str) -> None:
    """Look at this host; the last one writes what is known of them all."""
    gather(report, _FOUND, _of, HostStock, lambda hosts: Stock(hosts=hosts))


def _of(host: Host) -> HostStock | None:
    if (aimed := aim(host)) is None:
        return None
    target, facts = aimed
    store = host.get_fact(Models, root=target.plan.root)
    return None if store is None else stocked(target.plan, facts, store)
