"""Preflight: what would go wrong on this host, found before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable

from ..schema import Download, Finding, HostFacts, Listener, Provision
from . import amd
from .finding import block, warn
from .ledger import mib
from .preflight_engine import engine, way
from .wanted import Wanted


def preflight(
    wanted: Wanted, facts: HostFacts, downloads: tuple[Download, ...], provision: Provision
) -> tuple[Finding, ...]:
    """Findings of the engine, the ports, the disk and the way to cards."""
    checks = (
        engine(wanted, facts, provision),
        _operators(wanted, facts),
        _bind(wanted, facts),
        _ports(wanted, facts),
        _others(wanted, facts),
        _disk(wanted, facts, downloads),
        way(facts, provision),
        amd.way(wanted, facts, provision),
    )
    return tuple(f for check in checks for f in check)


def _operators(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    if wanted.settings.operators and wanted.settings.engine == "podman":
        fix = "leave them out, let them use sudo, or set engine = 'docker'"
        yield block("HOST-ACCOUNT", "operators", "Podman has no group of users: its socket is root's", fix)
        return
    for name in wanted.settings.operators:
        if name not in facts.accounts:
            fix = "create it, or leave it out"
            yield block("HOST-ACCOUNT", f"operators/{name}", "the host has no such account", fix)


def _bind(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    bind, have = wanted.settings.bind, facts.system.addresses
    if have and not bind.is_unspecified and not bind.is_loopback and str(bind) not in have:
        fix = f"use one of: {', '.join(have)}, 0.0.0.0"
        yield block("NET-BIND", "group_data/bind", f"the host has no address {bind}", fix)


def _others(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """Stacks that gpufleet brought up here before, and that this run leaves running."""
    root = f"{wanted.settings.data_root}/"
    for project in sorted(
        {c.project for c in facts.engine.containers if c.directory.startswith(root)} - {wanted.stack}
    ):
        what, fix = f"the stack {project} is still here", f"end it with `docker compose -p {project} down`"
        yield warn("ENG-OTHER-STACK", "engine", what, fix)


def _ports(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    seen: dict[int, str] = {}
    if wanted.stack in facts.elsewhere:
        return  # it is ourselves who listen, under the other engine
    for service in wanted.services:
        for port in service.published:
            free = _next_free(port, wanted, facts)
            setting = f"ports = {{'{service.name}': {free}}}" if port == service.publish else f"publish_more to {free}"
            fix = f"stop it, or set {setting}"
            where = f"ports/{service.name}"
            if port in seen:
                yield block("NET-PORT", where, f"port {port} is also published by {seen[port]}", fix)
            seen[port] = service.name
            who = _taker(port, (wanted.stack, service.name), wanted, facts)
            if who:
                yield block("NET-PORT", where, f"port {port} is taken by {who}", fix)


def _taker(port: int, ours: tuple[str, str], wanted: Wanted, facts: HostFacts) -> str | None:
    """Who else listens where a service shall."""
    bind = str(wanted.settings.bind)
    there = (x for x in facts.listeners if x.port == port and _overlaps(x.address, bind))
    listener = next(there, None)
    return _holder(facts, listener, ours) if listener else None


def _next_free(port: int, wanted: Wanted, facts: HostFacts) -> int | str:
    """The next port that nobody listens on or is to be given."""
    taken = {listener.port for listener in facts.listeners} | {port for s in wanted.services for port in s.published}
    return next((p for p in range(port + 1, min(port + 31, 65536)) if p not in taken), "ANOTHER")


def _holder(facts: HostFacts, listener: Listener, ours: tuple[str, str]) -> str | None:
    """Who listens; None when it is our own container."""
    for container in facts.engine.containers:
        if f":{listener.port}->" in container.ports:
            return None if (container.project, container.service) == ours else f"container {container.name}"
    who = listener.process or "another program"
    # A container that is just being started has its docker-proxy before the engine shows its ports.
    starting = any((c.project, c.service) == ours and c.state != "running" for c in facts.engine.containers)
    return None if starting and who.startswith("docker-proxy ") else who


def _overlaps(a: str, b: str) -> bool:
    return a == b or "0.0.0.0" in (a, b) or a == "::"


def _disk(wanted: Wanted, facts: HostFacts, downloads: tuple[Download, ...]) -> Iterable[Finding]:
    missing = mib(sum(max(0, d.bytes - facts.present.get(d.path, 0)) for d in downloads))
    last = len(facts.disks) - 1  # the models' own disk, where they have one, comes last
    for n, disk in enumerate(facts.disks):
        if not disk.writable and facts.system.uid == 0:
            fix = "mount it read-write, or set another data_root"
            yield block("HOST-DISK", disk.path, "cannot be written to", fix)
        fetch, reserve = missing if n == last else 0, wanted.settings.reserve_disk_mib if n == 0 else 0
        if disk.free_mib < fetch + reserve:
            what = f"{disk.free_mib} MiB free, {fetch + reserve} MiB needed ({fetch} to download, {reserve} reserve)"
            yield block("HOST-DISK", disk.path, what, "free some, set another data_root, or lower reserve_disk_mib")
