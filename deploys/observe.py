"""What a host's state is, read once a stage and again only after something changed it.

pyinfra keeps no facts: each read is a remote command, and every operation would make its own. Operations here share
one reading and drop it (``forget``) when they have changed something; while pyinfra only looks for changes, that line
is not reached.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host

from ..facts.state import State
from ..render import Release
from ..schema import HostState, Plan

_SEEN: WeakKeyDictionary[Host, tuple[Any, HostState]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Target:
    """What one host is brought to."""

    plan: Plan
    release: Release

    @property
    def env(self) -> str:
        """The file of secrets."""
        return f"{self.plan.root}/.env"

    @property
    def paths(self) -> tuple[str, ...]:
        """What the state fact looks at."""
        p = self.plan
        return (*(d.path for d in p.directories), *(d.path for d in p.downloads), self.env)


def observe(host: Host, target: Target) -> HostState:
    """The host's state in this stage."""
    stage = host.state.current_stage
    seen = _SEEN.get(host)
    if seen is None or seen[0] != stage:
        paths = "\n".join(target.paths)
        state = host.get_fact(State, root=target.plan.root, release=target.release.id, paths=paths)
        seen = _SEEN[host] = (stage, state or HostState())
    return seen[1]


def forget(host: Host) -> None:
    """Read again next time: something has changed."""
    _SEEN.pop(host, None)


def hurry(host: Host) -> None:
    """Send small packets at once: paramiko waits to fill them (Nagle's algorithm), ~40 ms on every command."""
    client = getattr(host.connector, "client", None)
    with suppress(AttributeError, OSError):
        if client:
            client.get_transport().sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
