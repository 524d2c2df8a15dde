"""Preflight: what would go wrong on this host, found before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable

from ..schema import Download, Finding, HostFacts, Listener, Provision, Pull
from . import amd, disks, external
from .finding import block, either
from .kept import unreadable
from .preflight_engine import engine, way
from .wanted import Wanted, WantedService

_OURS = "this stack's "


def preflight(
    wanted: Wanted,
    facts: HostFacts,
    provision: Provision,
    downloads: tuple[Download, ...],
    images: tuple[Pull, ...],
) -> tuple[Finding, ...]:
    """Findings of the engine, ports, external services, disks and the way to cards. ``images``: those to come."""
    checks = (
        engine(wanted, facts, provision),
        _operators(wanted, facts),
        _bind(wanted, facts),
        _ports(wanted, facts),
        _others(wanted, facts),
        _moved(wanted, facts),
        external.against(wanted, facts),
        disks.against(wanted, facts, downloads, images),
        unreadable(facts.kept),
        _env(wanted, facts),
        way(wanted, facts, provision),
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


def _env(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    if facts.env_wrong:
        what = f"line {', '.join(map(str, facts.env_wrong))}: is no NAME=VALUE, or its quote does not end"
        yield block("HOST-ENV", f"{wanted.settings.data_root}/.env", what, "mend it on the host")


def _others(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """Stacks that gpufleet brought up here before, and that this run leaves running."""
    root = f"{wanted.settings.data_root}/"
    for project in sorted(
        {c.project for c in facts.engine.containers if c.directory.startswith(root)} - {wanted.stack}
    ):
        yield _other(wanted, facts, project)


def _other(wanted: Wanted, facts: HostFacts, project: str) -> Finding:
    theirs = [c for c in facts.engine.containers if c.project == project]
    names = sorted({c.service for c in theirs} & {s.name for s in wanted.services})
    ports = sorted({p for s in wanted.services for p in s.published.values() if any(c.publishes(p) for c in theirs)})
    both = [f"{word} {', '.join(map(str, those))}" for word, those in (("services", names), ("ports", ports)) if those]
    same = f", with the same {' and '.join(both)}" if both else ""
    what = f"the stack {project} runs from {wanted.settings.data_root}{same}"
    fix = f"end it with `docker compose -p {project} down`, or give this one a data_root and ports of its own"
    return block("ENG-OTHER-STACK", "stack", what, fix)


def _moved(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """The stack itself, brought up below another data_root."""
    mine = {c.directory for c in facts.engine.containers if c.project == wanted.stack and c.directory.startswith("/")}
    for place in sorted({path.rpartition("/releases/")[0] or path.rpartition("/current")[0] for path in mine}):
        if place and place != wanted.settings.data_root:
            fix = f"set data_root back, or end the stack, move {place} to {wanted.settings.data_root}, and run again"
            yield block("ENG-MOVED", "data_root", f"the stack runs from {place}; its data and secrets stay there", fix)


def _ports(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    seen, offered = dict[int, str](), set[int | str]()
    if wanted.stack in facts.elsewhere:
        return  # it is ourselves who listen, under the other engine
    for service in wanted.services:
        for name, port in service.published.items():
            twin, (who, at) = seen.get(port), _taker(port, (wanted.stack, service.name), wanted, facts)
            seen[port] = service.name
            if not (twin or who):
                continue
            offered.add(free := _next_free(port, wanted, facts, offered))
            where, setting = f"ports/{name}", f"set ports = {{'{name}': {free}}}"
            if twin:
                yield block("NET-PORT", where, f"port {port} is also published by {twin}", setting)
            if who and who.startswith(_OURS):
                if not twin:  # two at once would meet there
                    fix = either([setting, "bring that one elsewhere in a run before this"])
                    yield block("NET-PORT", where, f"port {port} is {who}'s until this run", fix)
            elif who:
                usable = name == service.name and "sshd" not in who
                fix = _ways(service, setting, f"http://{at}:{port}" if usable else "")
                yield block("NET-PORT", where, f"port {port} is taken by {who}", fix)


def _taker(port: int, ours: tuple[str, str], wanted: Wanted, facts: HostFacts) -> tuple[str | None, str]:
    """Who else listens where a service shall, and at which address the host reaches that."""
    bind = str(wanted.settings.bind)
    there = (x for x in facts.listeners if x.port == port and _overlaps(x.address, bind))
    listener = next(there, None)
    if listener is None:
        return None, ""
    at = "127.0.0.1" if listener.address in ("0.0.0.0", "::") else listener.address
    return _holder(facts, listener, ours), f"[{at}]" if ":" in at else at


def _ways(service: WantedService, setting: str, url: str) -> str:
    """What can be done about a taken port; what listens can be the service itself, if that speaks HTTP there."""
    use = [f"use it: external = {{'{service.name}': '{url}'}}"] if url and service.service.gate else []
    return either(["stop it", setting, *use])


def _next_free(port: int, wanted: Wanted, facts: HostFacts, offered: set[int | str]) -> int | str:
    """The next port that nobody listens on, is to be given or was offered."""
    ours = {port for s in wanted.services for port in s.published.values()}
    taken = offered | ours | {listener.port for listener in facts.listeners}
    return next((p for p in range(port + 1, min(port + 31, 65536)) if p not in taken), "ANOTHER")


def _holder(facts: HostFacts, listener: Listener, ours: tuple[str, str]) -> str | None:
    """Who listens; None when it is our own container."""
    for container in facts.engine.containers:
        if container.publishes(listener.port):
            if container.project != ours[0]:
                return f"container {container.name}"
            return None if container.service == ours[1] else f"{_OURS}{container.service}"
    who = listener.process or "another program"
    # A container that is just being started has its docker-proxy before the engine shows its ports.
    starting = any((c.project, c.service) == ours and c.state != "running" for c in facts.engine.containers)
    return None if starting and who.startswith("docker-proxy ") else who


def _overlaps(a: str, b: str) -> bool:
    return a == b or "0.0.0.0" in (a, b) or a == "::"
