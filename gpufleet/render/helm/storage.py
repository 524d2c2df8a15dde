"""Where data is: a claim for each directory that services mount; nodes' own paths; generated files; shared memory."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ...errors import Problem, Refused
from ...plan.resolve import LIVE
from ...schema import Download, Mount, Plan, PlannedService
from .names import meta
from .text import Expr, Maybe, Object, filled

GIB = 2**30
SPARE_GIB = 10  # beside what is known of models
DATA = "data"  # the directory of a volume that is mounted: its top may hold lost+found, and has an owner already
FILES, SHM, TOOLS = "gpufleet-files", "gpufleet-shm", "gpufleet-tools"


@dataclass(frozen=True)
class Claim:
    """The directory that is ``path`` on a host; ``users``: services that mount it."""

    name: str
    path: str
    gib: int
    users: tuple[str, ...]


def ours(plan: Plan, s: PlannedService) -> list[Mount]:
    """The directories of data that a service mounts."""
    made = (f"{plan.root}/current/", f"{plan.root}/{LIVE}/")
    return [m for m in s.mounts if _below(plan, m) and not m.source.startswith(made)]


def theirs(plan: Plan, s: PlannedService) -> list[Mount]:
    """Paths of the node itself."""
    return [m for m in s.mounts if not _below(plan, m)]


def _below(plan: Plan, m: Mount) -> bool:
    return m.source.startswith(f"{plan.root}/")


def on_nodes(plan: Plan, s: PlannedService) -> bool:
    """Whether it is for the nodes themselves: it runs on each, and keeps its data there."""
    return s.host_pid or bool(theirs(plan, s))


def writes(plan: Plan, s: PlannedService) -> bool:
    return any(not m.read_only for m in ours(plan, s))


def claims(plan: Plan) -> list[Claim]:
    """All of a plan, by path; data of services on nodes is on the nodes. Raises Refused for names that are the same."""
    users: dict[str, list[str]] = {}
    for s in plan.services:
        for m in ours(plan, s) if not on_nodes(plan, s) else ():
            users.setdefault(m.source, []).append(s.name)
    paths = {name(plan, path): path for path in sorted(users)}
    if twice := sorted({*users} - {*paths.values()}):
        raise Refused(Problem(f"volumes/{twice[0]}", "has the name of another directory's claim", "give it another"))
    return [Claim(called, path, _gib(plan, path), tuple(users[path])) for called, path in paths.items()]


def name(plan: Plan, path: str) -> str:
    """What a directory is called; with its digest, where letters are left out of its name or it is too long."""
    below = path.removeprefix(f"{plan.root}/")
    plain = re.sub(r"[^a-z0-9]+", "-", below).strip("-")
    if plain == below.replace("/", "-") and len(plain) <= 50:
        return plain
    return f"{plain[:40].rstrip('-')}-{hashlib.sha256(below.encode()).hexdigest()[:8]}"


def _gib(plan: Plan, path: str) -> int:
    """Room for the models that are known to come there, and some."""
    users = [s for s in plan.services if any(m.source == path for m in ours(plan, s))]
    files = sum({d.path: d.bytes for s in users for d in fetched(plan, s)}.values())
    pulled = max((s.pulled_bytes for s in plan.services if s.pulled_bytes and _fetches_to(plan, s) == path), default=0)
    return SPARE_GIB + -(-(files + pulled) // GIB)


def _fetches_to(plan: Plan, s: PlannedService) -> str | None:
    """Where a program keeps the models that it fetches: its first directory below that of models."""
    below = f"{plan.root}/models/"
    return next((m.source for m in ours(plan, s) if m.source.startswith(below) and not m.read_only), None)


def volumes(plan: Plan, s: PlannedService) -> list[Object]:
    """What a pod's containers can mount."""
    found = {m.source: _volume(plan, s, m) for m in ours(plan, s)}
    found |= {path: {"name": called, "hostPath": {"path": path}} for path, called in _of_node(plan, s).items()}
    files = any(o.service == s.name for o in plan.outputs)
    shared = {"medium": "Memory", "sizeLimit": f"{s.shm_mib}Mi"}
    tools = {"name": f"{plan.stack}-tools"}
    return [
        *found.values(),
        *([{"name": FILES, "configMap": {"name": f"{s.name}-files"}}] if files else []),
        *([{"name": SHM, "emptyDir": shared}] if s.shm_mib else []),
        *([{"name": TOOLS, "configMap": tools}] if fetched(plan, s) else []),
    ]


def _of_node(plan: Plan, s: PlannedService) -> dict[str, str]:
    """Volumes of the node's own paths, by path."""
    paths = dict.fromkeys(m.source for m in theirs(plan, s))
    return {path: f"node-{number}" for number, path in enumerate(paths)}


def _volume(plan: Plan, s: PlannedService, m: Mount) -> Object:
    called = name(plan, m.source)
    if on_nodes(plan, s):
        return {"name": called, "hostPath": {"path": m.source, "type": "DirectoryOrCreate"}}
    return {"name": called, "persistentVolumeClaim": {"claimName": called}}


def mounts(plan: Plan, s: PlannedService) -> list[Object]:
    """What the service's own container mounts."""
    nodes = _of_node(plan, s)
    files = [o for o in plan.outputs if o.service == s.name and not o.keep]
    return [
        *(_mount(name(plan, m.source), m.target, DATA, m.read_only) for m in ours(plan, s)),
        *({**_mount(nodes[m.source], m.target, None, m.read_only), **_seen(m)} for m in theirs(plan, s)),
        *(_mount(FILES, o.target, o.path.rpartition("/")[2], True) for o in files),
        *([_mount(SHM, "/dev/shm", None, False)] if s.shm_mib else []),
    ]


def _seen(m: Mount) -> Object:
    return {"mountPropagation": "HostToContainer"} if m.slave else {}


def _mount(volume: str, target: str, part: str | None, read_only: bool) -> Object:
    return filled({"name": volume, "mountPath": target, "subPath": part, "readOnly": read_only or None})


def fetched(plan: Plan, s: PlannedService) -> list[Download]:
    """Model files to be there before a service starts."""
    mounted = models(plan, s)
    return [d for d in plan.downloads if d.path in s.files and any(d.path.startswith(f"{at}/") for at in mounted)]


def models(plan: Plan, s: PlannedService) -> list[str]:
    """Its directories of models: the common one, or its own in that."""
    return [m.source for m in ours(plan, s) if f"{m.source}/".startswith(f"{plan.models_dir}/")]


def claim(plan: Plan, told: Claim) -> Object:
    """A claim that stays when the chart is uninstalled."""
    values = f'(index .Values.storage.claims "{told.name}")'
    told_meta = {**meta(plan, told.name), "annotations": {"helm.sh/resource-policy": "keep"}}
    spec = {
        "accessModes": Expr(f"{values}.accessModes | toJson"),
        "storageClassName": Maybe(".Values.storage.className"),
        "resources": {"requests": {"storage": Expr(f"{values}.size | toJson")}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": told_meta, "spec": spec}
