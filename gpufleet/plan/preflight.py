"""Preflight: what would go wrong on this host, found before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..catalog import engine_packages
from ..schema import Download, Finding, HostFacts, Listener
from .ledger import mib
from .wanted import Wanted

# `docker compose pull --policy` and `up --wait-timeout` are there from this version on.
COMPOSE_MINIMUM = (2, 22)


def preflight(
    wanted: Wanted, facts: HostFacts, downloads: tuple[Download, ...], vendors: set[str]
) -> tuple[Finding, ...]:
    """Findings of the engine, the ports, the disk and GPU access."""
    checks = (
        _engine(wanted, facts),
        _operators(wanted, facts),
        _bind(wanted, facts),
        _ports(wanted, facts),
        _others(wanted, facts),
        _disk(wanted, facts, downloads),
    )
    gpu = _gpu_access(facts) if "nvidia" in vendors else ()
    return tuple(f for check in (*checks, gpu) for f in check)


def _block(id_: str, where: str, what: str, fix: str) -> Finding:
    return Finding(id=id_, severity="blocks", where=where, what=what, fix=fix)


def _engine(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    engine, system = facts.engine, facts.system
    if system.uid != 0:
        yield _block(
            "HOST-ROOT",
            "host",
            f"commands run as uid {system.uid}",
            "log in as root, or set `_sudo = True` in group_data",
        )
        return
    if engine.version is None:
        yield from _missing_engine(wanted, facts)
    elif not engine.reachable:
        yield _block(
            "ENG-DOWN",
            "engine",
            f"docker does not answer: {engine.complaint}",
            "look at `journalctl -u docker`, mend and start it",
        )
    elif engine.compose_version is None:
        packages = _packages(facts)
        if not (wanted.settings.install_engine and packages):
            yield _block(
                "ENG-COMPOSE",
                "engine",
                "the compose plugin is missing",
                "install docker-compose-plugin (Compose v2)",
            )
    elif version(engine.compose_version) < COMPOSE_MINIMUM:
        need = ".".join(map(str, COMPOSE_MINIMUM))
        yield _block(
            "ENG-COMPOSE",
            "engine",
            f"Compose {engine.compose_version} is too old",
            f"install Compose {need} or newer",
        )


def _packages(facts: HostFacts) -> tuple[str, ...]:
    return engine_packages(facts.system.distro, facts.system.distro_version)


def _missing_engine(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    system = facts.system
    if not wanted.settings.install_engine:
        yield _block(
            "ENG-NONE",
            "engine",
            "no container engine, and install_engine is off",
            "install Docker Engine, or set install_engine = True",
        )
    elif not _packages(facts):
        name = f"{system.distro} {system.distro_version}".strip()
        yield _block(
            "ENG-DISTRO",
            "engine",
            f"no packages known for {name}",
            "install Docker Engine and its compose plugin by hand",
        )
    else:
        yield Finding(
            id="ENG-INSTALL",
            severity="informs",
            where="engine",
            what="none yet",
            fix=f"will install {', '.join(_packages(facts))}",
        )


def version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version.

    >>> version("v2.40.3-desktop.1"), version("5.6.1+ds1")
    ((2, 40, 3), (5, 6, 1))
    """
    found = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(int(n) for n in found.group(1).split(".")) if found else ()


def _operators(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    for name in wanted.settings.operators:
        if name not in facts.accounts:
            fix = "create it, or leave it out"
            yield _block("HOST-ACCOUNT", f"operators/{name}", "the host has no such account", fix)


def _bind(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    bind, have = wanted.settings.bind, facts.system.addresses
    if have and not bind.is_unspecified and not bind.is_loopback and str(bind) not in have:
        fix = f"use one of: {', '.join(have)}, 0.0.0.0"
        yield _block("NET-BIND", "group_data/bind", f"the host has no address {bind}", fix)


def _others(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """Stacks that gpufleet brought up here before, and that this run leaves running."""
    root = f"{wanted.settings.data_root}/"
    for project in sorted(
        {c.project for c in facts.engine.containers if c.directory.startswith(root)} - {wanted.stack}
    ):
        what, fix = f"the stack {project} is still here", f"end it with `docker compose -p {project} down`"
        yield Finding(id="ENG-OTHER-STACK", severity="warns", where="engine", what=what, fix=fix)


def _ports(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    seen: dict[int, str] = {}
    for service in wanted.services:
        port = service.publish
        if port is None:
            continue
        where, fix = f"ports/{service.name}", f"stop it, or set ports = {{'{service.name}': ANOTHER}}"
        if port in seen:
            yield _block("NET-PORT", where, f"port {port} is also published by {seen[port]}", fix)
        seen[port] = service.name
        for listener in facts.listeners:
            if listener.port == port and _overlaps(listener.address, str(wanted.settings.bind)):
                who = _holder(facts, listener, (wanted.stack, service.name))
                if who:
                    yield _block("NET-PORT", where, f"port {port} is taken by {who}", fix)
                break


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
    for disk in facts.disks:
        if not disk.writable and facts.system.uid == 0:
            yield _block(
                "HOST-DISK",
                disk.path,
                "cannot be written to",
                "mount it read-write, or set another data_root",
            )
        need = missing + wanted.settings.reserve_disk_mib
        if disk.free_mib < need:
            parts = f"{missing} to download, {wanted.settings.reserve_disk_mib} reserve"
            what = f"{disk.free_mib} MiB free, {need} MiB needed ({parts})"
            yield _block("HOST-DISK", disk.path, what, "free some, set another data_root, or lower reserve_disk_mib")


def _gpu_access(facts: HostFacts) -> Iterable[Finding]:
    engine = facts.engine
    if engine.version is None or not engine.reachable or engine.cdi_devices or "nvidia" in engine.runtimes:
        return
    fix = "install nvidia-container-toolkit and run `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"
    yield _block("GPU-CDI", "engine", "containers cannot reach the GPU: no CDI device and no nvidia runtime", fix)
