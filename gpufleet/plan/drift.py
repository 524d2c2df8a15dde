"""Drift: why the containers of a host are not what its plan says."""

from __future__ import annotations

from typing import Protocol

from ..schema import Container, HostState, Plan


class Named(Protocol):
    """A release, as far as drift is concerned."""

    @property
    def id(self) -> str: ...


def drift(plan: Plan, release: Named, state: HostState) -> tuple[str, ...]:
    """Reasons, one a difference; none: the host runs what it should, and it passed its gates."""
    reasons = [
        f"{link} is {have or 'not set'}, not {release.id}"
        for link, have in (("current", state.current), ("verified", state.verified))
        if have != release.id
    ]
    mine = {c.service: c for c in state.containers if c.project == plan.stack}
    for service in plan.services:
        reason = _differs(mine.get(service.name), state.hashes.get(service.name))
        reasons += [f"{service.name}: {reason}"] if reason else []
    names = {s.name for s in plan.services}
    return (*reasons, *(f"{name}: is no longer part of the stack" for name in sorted(mine.keys() - names)))


def outdated(plan: Plan, state: HostState) -> tuple[str, ...]:
    """Services that have a container, with another configuration than the wanted one."""
    have = {c.service: c.config_hash for c in state.containers if c.project == plan.stack}
    return tuple(s.name for s in plan.services if s.name in have and have[s.name] != state.hashes.get(s.name))


def _differs(container: Container | None, wanted_hash: str | None) -> str | None:
    if container is None:
        return "has no container"
    if container.config_hash != wanted_hash:
        return "runs with another configuration"
    if container.state != "running":
        return f"is {container.state}"
    return None if container.health in ("healthy", "none") else f"is {container.health}"
