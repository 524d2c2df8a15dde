"""The forecast: what a run would do to every host, as JSON, changing nothing. `gpufleet plan` prints it.

`pyinfra -y INVENTORY gpufleet.deploys.forecast report=FILE`
"""

from __future__ import annotations

from pyinfra.api.deploy import deploy
from pyinfra.api.host import Host

from ..errors import Refused
from ..facts.state import State
from ..plan.drift import in_the_way
from ..plan.forecast import forecast as foretell
from ..plan.forecast import untouched
from ..schema import Forecast, HostForecast
from .changes import changes
from .gather import gather
from .observe import arguments
from .site import aim

_FOUND: dict[str, HostForecast] = {}


@deploy("gpufleet forecast")
def forecast(report: str) -> None:
    """Look at this host; the last one writes what is known of them all."""
    gather(report, _FOUND, _of, HostForecast, lambda hosts: Forecast(hosts=hosts))


def _of(host: Host) -> HostForecast | None:
    aimed = aim(host)
    if aimed is None:
        return None
    target, facts = aimed
    if target.plan.blocked:
        return untouched(target.plan, facts)
    state = host.get_fact(State, **arguments(target))
    if state is None:
        return None
    if against := in_the_way(target.plan, state):
        raise Refused(*against)
    return foretell(target.plan, facts, target.release, state, changes(target, state))
