"""Which host of a run fetches which model file from afar, and which hosts have it: the others take it from these.

pyinfra runs an operation on all hosts before the next one, so that each knows of all others what they lacked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host
from pyinfra.api.state import State

from ..schema import Download, HostState, Plan


@dataclass
class Run:
    """By digest the names of hosts that lack a file, and of those that have it; by host where it offers its own."""

    lacking: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    having: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    offers: dict[str, str] = field(default_factory=dict)


_RUNS: WeakKeyDictionary[State, Run] = WeakKeyDictionary()


def of(host: Host) -> Run:
    return _RUNS.setdefault(host.state, Run())


def among(host: Host) -> bool:
    """Whether there is another host that could give this one anything."""
    return len(host.state.active_hosts) > 1


def saw(host: Host, plan: Plan, state: HostState) -> None:
    """Remember what the host has and lacks now; what it has under one name it does not lack under another."""
    run, wanted = of(host), [d for d in plan.downloads if plan.peer_port and not d.text]
    there = {d.digest for d in wanted if state.models.get(plan.below_models(d.path)) == d.digest}
    for digest in {d.digest for d in wanted}:
        (run.having if digest in there else run.lacking)[digest].add(host.name)
        (run.lacking if digest in there else run.having)[digest].discard(host.name)


def own(host: Host, downloads: Iterable[Download]) -> tuple[Download, ...]:
    """Those that it gets without others: it has the bytes under another name, or nobody has, and it is its turn."""
    run = of(host)
    mine = {digest for digest, names in run.having.items() if host.name in names}
    return tuple(d for d in downloads if d.digest in mine or _turn(run, d.digest) in (None, host.name))


def _turn(run: Run, digest: str) -> str | None:
    """Who fetches it; empty: nobody has to; None: nobody speaks of it.

    >>> run = Run(lacking={"a": {"h1", "h2"}, "b": {"h1", "h2"}, "c": {"h1"}}, having={"c": {"h2"}})
    >>> [_turn(run, digest) for digest in "abcd"]
    ['h1', 'h2', '', None]
    """
    if run.having.get(digest):
        return ""
    hosts = sorted(run.lacking.get(digest, ()))
    return hosts[sorted(run.lacking).index(digest) % len(hosts)] if hosts else None


def asked(host: Host, digests: Iterable[str]) -> bool:
    """Whether another host lacks any of them."""
    run = of(host)
    return any(run.lacking.get(digest) for digest in digests)


def sources(host: Host, download: Download) -> list[str]:
    """Where other hosts offer it; each host begins with another one."""
    run = of(host)
    names = sorted(run.having.get(download.digest, set()) & run.offers.keys())
    start = sorted([*names, host.name]).index(host.name)
    return [f"{run.offers[name]}/{download.digest.partition(':')[2]}" for name in (*names[start:], *names[:start])]
