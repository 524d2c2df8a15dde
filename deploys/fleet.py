"""The hosts of a run, as each other's plans need them: what each of them wants, and its facts, read once a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from gevent.lock import RLock
from pyinfra.api.arguments import AllArguments
from pyinfra.api.connectors import get_all_connectors
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.context import ctx_host

from ..errors import Refused
from ..facts.host import Facts
from ..plan import Wanted, asked, kept, want
from ..plan.fetch import asked as files
from ..plan.fleet import member
from ..plan.roles import PARTS
from ..plan.tiers import fitting
from ..plan.wanted import TOKEN
from ..schema import HostFacts, Member, Shared


@dataclass
class Hosts:
    """By name what each wants, or why nothing, its facts, and what it is to others; its secrets that others need."""

    groups: frozenset[str]
    wanted: dict[str, Wanted | Refused] = field(default_factory=dict)
    facts: dict[str, HostFacts | None] = field(default_factory=dict)
    members: dict[str, Member | None] = field(default_factory=dict)
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)
    busy: dict[str, RLock] = field(default_factory=lambda: defaultdict(RLock))


_RUNS: WeakKeyDictionary[State, Hosts] = WeakKeyDictionary()


def of(state: State) -> Hosts:
    if state not in _RUNS:
        _RUNS[state] = Hosts(frozenset(group for host in state.inventory for group in host.groups))
    return _RUNS[state]


def wanted(host: Host) -> Wanted:
    """What a host shall run. Raises Refused."""
    known = of(host.state)
    if host.name not in known.wanted:
        try:
            known.wanted[host.name] = want(host.groups, own_data(host.data.dict()), known.groups)
        except Refused as refused:
            known.wanted[host.name] = refused
    found = known.wanted[host.name]
    if isinstance(found, Refused):
        raise found
    return found


def declared(host: Host) -> Wanted | None:
    """The same; None where that is refused, which its own run says."""
    with suppress(Refused):
        return wanted(host)
    return None


def facts(host: Host) -> HostFacts | None:
    """What a host is; None: it did not answer."""
    known = of(host.state)
    real = host.state.inventory.get_host(host.name)  # in a deploy `host` stands for the one whose turn it is
    with known.busy[real.name], ctx_host.use(real):  # whoever asks first, asks for all
        if real.name not in known.facts:
            known.facts[real.name] = real.get_fact(Facts, **questions(wanted(real)))
    return known.facts[real.name]


def forget(host: Host) -> None:
    """It was rebooted: it is another host now."""
    of(host.state).facts.pop(host.name, None)


def others(host: Host) -> list[Member]:
    """The other hosts of the inventory, if it is a fleet; what they have for this one is as they will run it."""
    if not of(host.state).groups & {*PARTS}:
        return []
    me = _member(host)
    return [_fitted(other, m) if me and any(map(me.needs, m.shares)) else m for other, m in _declared(host)]


def needed(host: Host) -> list[Shared]:
    """What this host needs of others, as that is declared."""
    me = _member(host) if of(host.state).groups & {*PARTS} else None
    return [s for _, m in _declared(host) for s in m.shares if me.needs(s)] if me else []


def _declared(host: Host) -> Iterator[tuple[Host, Member]]:
    """The other hosts of which it is known what they shall run."""
    seen = ((other, _member(other)) for other in host.state.inventory if other.name != host.name)
    return ((other, m) for other, m in seen if m)


def _member(host: Host) -> Member | None:
    """A host as it is declared; None: what it shall run cannot be known."""
    known = of(host.state)
    if host.name not in known.members:
        present, told = host.name in {h.name for h in host.state.active_hosts}, declared(host)
        known.members[host.name] = member(host.name, told, address(host), present) if told else None
    return known.members[host.name]


def _fitted(host: Host, told: Member) -> Member:
    """The same with the tier that fits it, where it answers."""
    with suppress(Refused, PyinfraError):
        if told.present and (seen := facts(host)):
            return member(host.name, fitting(wanted(host), seen)[0], address(host), present=True)
    return told


def address(host: Host) -> str:
    """Where it is reached by SSH, unless that is its name."""
    return host.data.get("ssh_hostname") or ""


def questions(wanted: Wanted) -> dict[str, str]:
    """What the facts are asked with."""
    settings = wanted.settings
    lists = {
        "models": files(wanted),
        "operators": settings.operators,
        "urls": asked(wanted),
        "kept": kept(wanted),
        "secrets": sorted({TOKEN, *(s.name for w in wanted.services for s in w.service.secrets)}),
    }
    told = {name: "\n".join(lines) for name, lines in lists.items()}
    told["quota"] = str(settings.models_max_mib or "")
    return {"engine": settings.engine, "root": settings.data_root, **told}


def own_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """The host's data without what is pyinfra's (connector settings, ``_arguments``) and the user's own (``x_...``)."""
    return {k: v for k, v in data.items() if k not in _pyinfras() and not k.startswith("x_")}


@cache  # it looks through all installed packages
def _pyinfras() -> frozenset[str]:
    connectors = {key for c in get_all_connectors().values() for key in getattr(c, "data_cls", dict).__annotations__}
    return frozenset(connectors | AllArguments.__annotations__.keys())
