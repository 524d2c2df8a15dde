"""Fleet: what the hosts of an inventory need to know of each other."""

from __future__ import annotations

from .base import Noun


class Shared(Noun):
    """A service of a ``host`` at a port for those hosts that need it; ``stack``: whose, as ``of()`` in plan/fleet.py.

    ``secrets``: names of those that it is asked with; ``at``: ADDRESS:PORT; ``model`` and ``pulled``: as a planned
    service has them.
    """

    host: str
    stack: str
    name: str
    kind: str
    at: str
    tls: bool = False
    model: str | None = None
    pulled: dict[str, str] = {}
    secrets: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.stack}/{self.name}"

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.at}"


class Member(Noun):
    """Another host. ``present``: it is in this run, and answers.

    ``asks``: the services that its own depend on and it has not, as STACK/SERVICE; ``watches``: the kinds whose every
    share it is told of, as STACK/KIND, of any stack ``*``; ``shares``: what it has for others, if any of them needs it.
    """

    name: str
    address: str
    present: bool = False
    asks: tuple[str, ...] = ()
    watches: tuple[str, ...] = ()
    shares: tuple[Shared, ...] = ()

    def needs(self, shared: Shared) -> bool:
        kinds = (f"{shared.stack}/{shared.kind}", f"*/{shared.kind}")
        return shared.key in self.asks or any(kind in self.watches for kind in kinds)


class Share(Noun):
    """A ``port`` of this host for ``hosts`` (their addresses) alone; ``inside``: the container's."""

    service: str
    port: int
    inside: int
    hosts: tuple[str, ...]


class Fleet(Noun):
    """What a host has of others, and they of it. ``taken``: by secret the host that makes it."""

    remotes: tuple[Shared, ...] = ()
    shares: tuple[Share, ...] = ()
    taken: dict[str, str] = {}
