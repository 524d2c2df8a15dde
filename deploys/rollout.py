"""Who is brought to the release when: heads first, then one worker, then the others, so many at once as may be away.

A host of a fleet that does not come up ends the rollout: who comes after it stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host
from pyinfra.api.state import State, StateStage

from ..plan.roles import OF_A_STACK
from .fleet import declared

Turn = tuple[str, str, int | None]  # its name, that of its operation, and how many hosts at once
FIRST: Turn = ("first", "Run the release", None)


@dataclass
class Rollout:
    """Of one run: who has begun; ``workers`` in their order, and the ``canary``, which goes alone."""

    workers: tuple[str, ...]
    canary: str
    begun: set[str] = field(default_factory=set)


_RUNS: WeakKeyDictionary[State, Rollout] = WeakKeyDictionary()


def _of(host: Host) -> Rollout:
    if host.state not in _RUNS:
        there = [h for h in host.state.inventory if h in host.state.activated_hosts]
        workers = tuple(h.name for h in there if "worker" in h.groups and "head" not in h.groups)
        _RUNS[host.state] = Rollout(workers, next(iter(workers), ""))
    return _RUNS[host.state]


def turns(host: Host) -> list[Turn]:
    """The same for all hosts of a run."""
    workers = _of(host).workers
    if not workers:
        return [FIRST]
    canary, others = "Run the release on the first worker", "Run the release on the other workers"
    return [FIRST, ("canary", canary, None), ("others", others, _at_once(host, len(workers)))]


def _at_once(host: Host, workers: int) -> int:
    """The least that any of them says."""
    there = (declared(h) for h in host.state.inventory if h.name in _of(host).workers)
    return min((at_once(told.settings.max_unavailable, workers) for told in there if told), default=1)


def at_once(told: str, workers: int) -> int:
    """How many of so many workers may be away.

    >>> at_once("25%", 10), at_once("25%", 3), at_once("2", 10)
    (2, 1, 2)
    """
    return max(1, int(told[:-1]) * workers // 100) if told.endswith("%") else int(told)


def due(host: Host, turn: str) -> bool:
    """Whether it is this host's turn."""
    run = _of(host)
    if host.name not in run.workers:
        return turn == "first"
    if turn == "canary" and host.state.current_stage == StateStage.Execute:
        there = {h.name for h in host.state.active_hosts}  # one may have failed before
        run.canary = next((name for name in run.workers if name in there), run.canary)
    return turn == ("canary" if host.name == run.canary else "others")


def begin(host: Host) -> str | None:
    """Note that this host begins; whose failure keeps it from that."""
    if not {*OF_A_STACK} & {*host.groups}:
        return None
    run, state = _of(host), host.state
    there = (h for h in state.inventory if h.name in run.begun and h.name != host.name)
    failed = next((h.name for h in there if state.get_results_for_host(h).error_ops), None)
    if failed is None:
        run.begun.add(host.name)
    return failed
