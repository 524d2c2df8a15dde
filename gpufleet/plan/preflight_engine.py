"""Preflight of what is below the stack: engine, its configuration, package sources, the way to cards."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalog import distro
from ..errors import Refused
from ..schema import Finding, HostFacts, PlannedService, Provision
from .daemon import PATH, given_twice, left_out, merged
from .drift import cdi_devices
from .finding import block, inform, warn
from .provision import TOOLKIT, daemon, engine_packages, reached
from .versions import version
from .wanted import Wanted

# `docker compose pull --policy` and `up --wait-timeout` are there from this version on.
COMPOSE_MINIMUM = (2, 22)
# Before, it cannot read the specifications of CDI devices that NVIDIA's toolkit makes (their schema is 0.7).
PODMAN_MINIMUM = (5, 1)

# dpkg is finished by our own script; which of two versions of an .rpm shall stay is for its owner to say.
FINISH = {"dnf": "run `dnf remove --duplicates`", "zypper": "remove the earlier version with `rpm -e`"}


def engine(wanted: Wanted, facts: HostFacts, provision: Provision) -> Iterable[Finding]:
    """Whether there is an engine that we can use, or one that can be installed."""
    have, system = facts.engine, facts.system
    if system.uid != 0:
        fix = "log in as root, or set `_sudo = True` in group_data"
        yield block("HOST-ROOT", "host", f"commands run as uid {system.uid}", fix)
        return
    if wanted.stack in facts.elsewhere:
        other = "docker" if wanted.settings.engine == "podman" else "podman"
        socket = {"docker": "/run/docker.sock", "podman": "/run/podman/podman.sock"}[other]
        fix = f"end it there: `docker -H unix://{socket} compose -p {wanted.stack} down`; its data stays"
        yield block("ENG-TWICE", "engine", f"the stack {wanted.stack} has containers under {other}", fix)
        return
    if "podman-docker" in facts.plumbing.packages:
        fix = "`apt-get remove podman-docker` (or dnf, zypper); Podman stays"
        yield block("ENG-CONFLICT", "engine", "podman-docker stands in the place of Docker's CLI", fix)
        return
    if facts.plumbing.snap and wanted.settings.engine == "docker":
        fix = (
            "move to the distribution's or Docker's own package: `snap remove docker`; its data is in /var/snap/docker"
        )
        yield block("ENG-SNAP", "engine", "Docker is a snap", fix)
    elif have.version is None or (have.compose_version is None and have.reachable):
        yield from _missing(wanted, facts, provision)
    elif not have.reachable and facts.plumbing.stopped:
        fix = "will start it, now and at every boot"
        yield inform("ENG-START", "engine", "docker is not started", fix)
    elif not have.reachable:
        fix = "look at `journalctl -u docker`, mend and start it"
        yield block("ENG-DOWN", "engine", f"docker does not answer: {have.complaint}", fix)
    elif have.compose_version and version(have.compose_version) < COMPOSE_MINIMUM:
        need = ".".join(map(str, COMPOSE_MINIMUM))
        what = f"Compose {have.compose_version} is too old"
        yield block("ENG-COMPOSE", "engine", what, f"install Compose {need} or newer")
    elif have.name == "podman" and version(have.version) < PODMAN_MINIMUM:
        need = ".".join(map(str, PODMAN_MINIMUM))
        fix = f"install Podman {need} or newer, or set engine = 'docker'"
        yield block("ENG-OLD", "engine", f"Podman {have.version} is too old", fix)
    yield from (*_packages(facts, provision), *_sources(facts, provision), *_configuration(wanted, facts, provision))


def _missing(wanted: Wanted, facts: HostFacts, provision: Provision) -> Iterable[Finding]:
    whole = (
        "Docker Engine with Compose v2" if wanted.settings.engine == "docker" else "Podman, Docker's CLI and Compose v2"
    )
    what = "no container engine" if facts.engine.version is None else "the compose plugin is missing"
    engine = engine_packages(wanted, facts)
    if not wanted.settings.install_engine:
        fix = f"install {whole}, or set install_engine = True"
        yield block("ENG-NONE", "engine", f"{what}, and install_engine is off", fix)
    elif engine:
        fix = f"will install {', '.join(engine)}"
        yield inform("ENG-INSTALL", "engine", what, fix)
    else:
        entry, podman = distro(facts.system.distro), wanted.settings.engine == "podman"
        ours = podman or wanted.settings.engine_from == "distro"
        other = not podman and ours and entry and "docker" in entry.repositories
        fix = "set engine_from = 'docker'" if other else f"install {whole} by hand"
        if podman:
            fix = f"set engine = 'docker', or {fix} ({'.'.join(map(str, PODMAN_MINIMUM))} or newer)"
        id_ = "ENG-DISTRO" if facts.engine.version is None else "ENG-COMPOSE"
        whose = "the distribution" if ours else "Docker"
        yield block(id_, "engine", f"{what}, and {whose} has no packages known for {facts.system.name}", fix)


def _packages(facts: HostFacts, provision: Provision) -> Iterable[Finding]:
    """What stands in the way of installing packages."""
    if not provision.packages:
        return
    if facts.plumbing.half:
        fix = FINISH.get(provision.manager or "", "nothing to do: `dpkg --configure -a` comes first")
        what = f"half-installed: {', '.join(facts.plumbing.half)}"
        yield warn("HOST-PACKAGES", "host", what, fix)
    entry = distro(facts.system.distro)
    others = [p for p in (entry.conflicts if entry else ()) if p in facts.plumbing.packages]
    if others and "docker-ce" in provision.packages:
        command = {"dnf": "dnf", "zypper": "zypper"}.get(provision.manager or "", "apt-get")
        fix = f"`{command} remove {' '.join(others)}` (keeps /var/lib/docker), or set engine_from = 'distro'"
        yield block("ENG-CONFLICT", "engine", f"{', '.join(others)} cannot be beside docker-ce", fix)


def _sources(facts: HostFacts, provision: Provision) -> Iterable[Finding]:
    """A second file for one repository, with another key: apt then refuses everything."""
    for source in provision.sources:
        vendor = source.content.partition("https://")[2] or source.content.partition("http://")[2]
        for file, vendors in sorted(facts.plumbing.foreign.items()):
            if file != source.file and any(v in vendor for v in vendors):
                fix = f"remove it: gpufleet writes {source.file}"
                yield block("ENG-SOURCES", file, f"names the repository of {source.name} too", fix)


def _configuration(wanted: Wanted, facts: HostFacts, provision: Provision) -> Iterable[Finding]:
    """daemon.json, and what a change of it would stop."""
    if wanted.settings.engine == "podman":
        return
    try:
        keys = daemon(provision, facts.plumbing)
        changes = merged(facts.plumbing.daemon, keys) is not None
    except Refused as refused:
        yield from (block("ENG-CONFIG", p.where, p.what, p.fix) for p in refused.problems)
        return
    missing = any(device not in facts.engine.cdi_devices for device in cdi_devices(provision))
    if missing and left_out(facts.plumbing.daemon):
        fix = "add /var/run/cdi, where the cards' specifications are made at every boot"
        yield block("ENG-CONFIG", f"{PATH}/cdi-spec-dirs", "leaves out /var/run/cdi", fix)
    twice = given_twice(facts.plumbing.daemon, keys, facts.plumbing.flags)
    if twice and changes:
        fix = "set it in one place: dockerd does not start with both"
        yield block("ENG-CONFIG", PATH, f"{', '.join(twice)} is also on dockerd's command line", fix)
    stays = facts.engine.live_restore or wanted.settings.restart_engine
    others = [c.name for c in facts.engine.containers if c.state == "running" and c.project != wanted.stack]
    if changes and others and not stays and "features" in keys:
        fix = "set restart_engine = True, or live-restore in daemon.json"
        what = f"Docker must be restarted, which stops {', '.join(others)}"
        yield block("ENG-RESTART", "engine", what, fix)


def missing_nodes(services: Iterable[PlannedService], facts: HostFacts) -> Iterable[Finding]:
    """Device nodes that a container is to get and that are not there: its next start would fail."""
    for service in services:
        for node in service.access.devices:
            if node.startswith("/dev/") and facts.node_groups and node not in facts.node_groups:
                fix = "run `udevadm trigger`, or reboot"
                yield block("GPU-NO-NODE", f"services/{service.name}", f"{node} is not there", fix)


def way(wanted: Wanted, facts: HostFacts, provision: Provision) -> Iterable[Finding]:
    """Whether containers reach the planned cards, or will, and by the version that was asked for."""
    if not provision.cards or not facts.engine.reachable or TOOLKIT in provision.packages:
        return
    if not reached(facts):
        fix = f"set install_toolkit = True, or install {TOOLKIT} and generate its CDI specification"
        yield block("GPU-CDI", "engine", "containers cannot reach the GPU: no CDI device and no nvidia runtime", fix)
    elif "toolkit_version" in wanted.settings.model_fields_set:
        off = not wanted.settings.install_toolkit
        why = "install_toolkit is off" if off else f"no packages of it known for {facts.system.name}"
        have = f"{TOOLKIT} {facts.plumbing.packages.get(TOOLKIT, 'of other packaging')}"
        fix = "set install_toolkit = True" if off else "bring it to that version by hand"
        what = f"{have} is kept, although toolkit_version is {wanted.settings.toolkit_version}: {why}"
        yield warn("GPU-TOOLKIT", "engine", what, f"{fix}, or leave toolkit_version out")
