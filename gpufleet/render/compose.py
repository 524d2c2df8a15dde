"""Plan -> compose.yaml: the Compose specification, keys in one order."""

from __future__ import annotations

import hashlib
import shlex
from typing import Any

import yaml

from ..plan.external import HOST
from ..schema import Access, Mount, Plan, PlannedService

HEAD = "# Written by gpufleet; changes here are undone at the next run.\n"


class Dumper(yaml.SafeDumper):
    """Strings of several lines as blocks, so that a person can read the file."""


Dumper.add_representer(
    str, lambda d, s: d.represent_scalar("tag:yaml.org,2002:str", s, style="|" if "\n" in s else None)
)


def compose(plan: Plan, files: dict[str, bytes]) -> bytes:
    """The compose file of a plan; ``files`` are the generated ones that its services mount."""
    data = {"name": plan.stack, "services": {s.name: _service(plan, s, files) for s in plan.services}}
    return (HEAD + yaml.dump(data, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True)).encode()


def _service(plan: Plan, s: PlannedService, files: dict[str, bytes]) -> dict[str, Any]:
    """One service; what is empty is left out."""
    keys: dict[str, Any] = {
        "image": s.image,
        "pull_policy": "never" if any(b.image == s.image for b in plan.builds) else None,
        "restart": "unless-stopped",
        "user": s.user,
        "pid": "host" if s.host_pid else None,
        "network_mode": "host" if s.host_network else None,
        "depends_on": {name: {"condition": _condition(plan, name)} for name in s.depends_on},
        "entrypoint": list(s.entrypoint),
        "command": list(s.command),
        "environment": {**s.environment, **s.access.environment},
        "volumes": [_volume(plan, m) for m in s.mounts],
        "extra_hosts": _extra_hosts(plan, s, files),
        "ports": [] if s.host_network else _ports(plan, s),
        "healthcheck": _healthcheck(plan, s),
        "mem_limit": f"{s.memory_mib}m",
        "shm_size": f"{s.shm_mib}m" if s.shm_mib else None,
        "stop_grace_period": f"{s.stop_grace_period}s",
        "security_opt": ["no-new-privileges"] if s.no_new_privileges else [],
        "cap_add": list(s.capabilities),
        "devices": list(s.access.devices),
        "group_add": [str(gid) for gid in s.access.groups],
        "deploy": _reservation(s.access),
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "labels": _labels(plan, s, files),
    }
    return {key: value for key, value in keys.items() if value not in (None, [], {})}


def _condition(plan: Plan, name: str) -> str:
    """A container that cannot be asked is never healthy to Compose."""
    asked = any(s.name == name and s.healthcheck for s in plan.services)
    return "service_healthy" if asked else "service_started"


def published(s: PlannedService) -> dict[int, int]:
    """Ports of the container by host port."""
    return {**({s.publish: s.port} if s.publish else {}), **s.publish_more}


def _ports(plan: Plan, s: PlannedService) -> list[str]:
    """Those that are published, and those for other hosts, where they are not the same."""
    own = {at: f"{plan.bind}:{at}:{port}" for at, port in published(s).items()}
    shares = [share for share in plan.fleet.shares if share.service == s.name]
    covered = own if plan.bind in ("0.0.0.0", plan.address) else {}
    return [*own.values(), *(f"{plan.address}:{x.port}:{x.inside}" for x in shares if x.port not in covered)]


def _extra_hosts(plan: Plan, s: PlannedService, files: dict[str, bytes]) -> list[str]:
    """The host's name for a service that names the host: others are not re-created for it."""
    return [f"{HOST}:host-gateway"] if names_host(plan, s, files) else []


def names_host(plan: Plan, s: PlannedService, files: dict[str, bytes]) -> bool:
    """Whether a service asks something of the host itself."""
    said = [*s.command, *s.environment.values(), *(files[o.path].decode() for o in plan.outputs if o.service == s.name)]
    said += [step.check + step.run for step in s.steps]
    return any(HOST in text for text in said)


def _volume(plan: Plan, m: Mount) -> dict[str, Any]:
    # create_host_path off: a directory that is missing must be an error, not an empty directory owned by root.
    bind: dict[str, Any] = {"create_host_path": False}
    # A path of the host's own keeps its label: all of the host reads it.
    if plan.selinux and m.source.startswith(f"{plan.root}/"):
        bind["selinux"] = "z"
    if m.slave:
        bind["propagation"] = "rslave"
    ro = {"read_only": True} if m.read_only else {}
    return {"type": "bind", "source": m.source, "target": m.target, **ro, "bind": bind}


def _healthcheck(plan: Plan, s: PlannedService) -> dict[str, Any]:
    if (h := s.healthcheck) is None:
        return {}
    test = list(h.test)
    # Podman splits arguments at their spaces when it is asked as Docker is (containers/podman#26519).
    if plan.provision.engine == "podman" and test[0] == "CMD" and any(" " in part for part in test):
        test = ["CMD-SHELL", shlex.join(test[1:])]
    times = {k: f"{getattr(h, k)}s" for k in ("interval", "timeout", "start_period")}
    return {"test": test, **times, "retries": h.retries}


def _reservation(access: Access) -> dict[str, Any]:
    if not access.driver:
        return {}
    wanted = {"driver": access.driver, "device_ids": list(access.device_ids), "capabilities": ["gpu"]}
    return {"resources": {"reservations": {"devices": [wanted]}}}


def _labels(plan: Plan, s: PlannedService, files: dict[str, bytes]) -> dict[str, str]:
    """Compose does not see the content of mounted files: their digests as labels make a changed one re-create.

    Not live ones: their service reads them anew.
    """
    mine = [files[o.path] for o in plan.outputs if o.service == s.name and not o.live]
    labels = {"gpufleet.files": hashlib.sha256(b"\0".join(mine)).hexdigest()[:16]} if mine else {}
    return {**s.labels, **labels, **({"gpufleet.model": s.model_digest[:16]} if s.model_digest else {})}
