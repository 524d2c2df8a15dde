"""A worker that is about to be changed gets no new requests of the heads' pools, and ends those that it has."""

from __future__ import annotations

from collections.abc import Collection, Generator
from weakref import WeakKeyDictionary

import gevent
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State, StateStage
from pyinfra.context import host

from ..schema import Plan
from .fleet import declared
from .observe import ran, spoken
from .script import script

DEADLINE = 300  # seconds that requests may take which were begun
ADMITTED = 4  # seconds after which the gateway asks a worker again that refused: its `cooldown_time`, and one
KIND = "pool"
_DRAINED: WeakKeyDictionary[State, dict[str, list[tuple[Host, str]]]] = WeakKeyDictionary()


def drain(host: Host, plan: Plan, changed: Collection[str]) -> None:
    """The pools of the heads send no more requests to services that will be ``changed``."""
    ports = [share.port for share in plan.fleet.shares if share.service in changed]
    found = _pools(host, plan) if ports else []
    told = {"worker": host.name, "stack": plan.stack, "deadline": DEADLINE}
    told["at"] = " ".join(_hex(plan.address, port) for port in ports)
    _DRAINED.setdefault(host.state, {})[host.name] = [
        (head, f"{root}/data/pool/{host.name}") for head, root, _ in found
    ]
    commands = ((head, spoken(plan, script("drain", root=root, service=name, **told))) for head, root, name in found)
    gevent.joinall([gevent.spawn(ran, head, command) for head, command in commands])


def admit(host: Host) -> None:
    """They send it requests again, and the next one is not begun before the gateway knows."""
    drained = _DRAINED.get(host.state, {}).pop(host.name, [])
    for head, file in drained:
        ran(head, f"rm -f {file}")
    if drained:
        gevent.sleep(ADMITTED)


@operation()
def admitted() -> Generator[str, None, None]:
    """Send requests also to workers that failed, and were put back."""
    if host.state.current_stage == StateStage.Execute:
        for names in [*_DRAINED.get(host.state, {}).values()]:
            for file in (file for head, file in names if head.name == host.name):
                ran(host, f"rm -f {file}")
    yield from ()


def _pools(host: Host, plan: Plan) -> list[tuple[Host, str, str]]:
    """Heads of this run with a pool of this stack, their data_root, and its name there."""
    there = ((head, declared(head)) for head in host.state.active_hosts)
    return [
        (head, told.settings.data_root, s.name)
        for head, told in there
        if told and told.stack == plan.stack
        for s in told.services
        if s.entry.service == KIND
    ]


def _hex(address: str, port: int) -> str:
    """As /proc/net/tcp has it.

    >>> _hex("10.98.0.1", 8080)
    '0100620A:1F90'
    """
    return f"{''.join(f'{int(part):02X}' for part in reversed(address.split('.')))}:{port:04X}"
