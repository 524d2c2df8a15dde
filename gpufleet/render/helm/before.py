"""What is done before a service starts: its directories, its models, and waiting for what it depends on."""

from __future__ import annotations

from base64 import b64encode
from shlex import quote

from ...plan.wanted import TOKEN
from ...schema import Directory, Output, Plan, PlannedService
from .environment import told_secret
from .storage import DATA, FILES, TOOLS, fetched, models, name, ours
from .text import Expr, Object

NOBODY = 65534
MODELS = "/models"
PUT = 'put() { mkdir -p "${path%/*}" && echo "$text" | base64 -d >"$path.new" && mv "$path.new" "$path"; }'


def containers(plan: Plan, s: PlannedService) -> list[Object]:
    """Init containers, in their order."""
    return [*_directories(plan, s), *_models(plan, s), *_wait(plan, s)]


def _container(name_: str, script: str, mounts: list[Object], uid: int, capabilities: list[str]) -> Object:
    security = {
        "runAsUser": uid,
        "runAsGroup": uid,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], **({"add": capabilities} if capabilities else {})},
    }
    base = {"name": name_, "image": Expr(".Values.toolsImage | toJson"), "command": ["sh", "-euc", script]}
    return {**base, "securityContext": security, **({"volumeMounts": mounts} if mounts else {})}


def _directories(plan: Plan, s: PlannedService) -> list[Object]:
    """Directories with the owner and the mode that they have on hosts: fsGroup gives neither."""
    owned = {d.path: d for d in plan.directories}
    sources = [*dict.fromkeys(m.source for m in ours(plan, s))]
    if not sources:
        return []
    lines = [_made(_at(plan, path), owned[path]) for path in sources]
    kept = [o for o in plan.outputs if o.service == s.name and o.keep]
    lines += [_copied(plan, o, owned) for o in kept]
    mounts: list[Object] = [{"name": name(plan, p), "mountPath": f"/volumes/{name(plan, p)}"} for p in sources]
    mounts += [{"name": FILES, "mountPath": "/files"}] if kept else []
    root = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    return [_container("directories", "\n".join(lines) + "\n", mounts, 0, root)]


def _at(plan: Plan, path: str) -> str:
    return f"/volumes/{name(plan, path)}/{DATA}"


def _made(at: str, d: Directory) -> str:
    there = f"[ -d {at} ] || " if d.keep else ""
    return f"{there}install -d -o {d.uid} -g {d.gid} -m {d.mode} {at}"


def _copied(plan: Plan, o: Output, owned: dict[str, Directory]) -> str:
    """A kept file is its user's from the first start on."""
    folder, _, file = (o.keep or "").rpartition("/")
    d, to = owned[folder], quote(f"{_at(plan, folder)}/{file}")
    return f"[ -e {to} ] || install -o {d.uid} -g {d.gid} -m 0640 {quote(f'/files/{file}')} {to}"


def _models(plan: Plan, s: PlannedService) -> list[Object]:
    """Model files as hosts fetch them; of pods that share the directory one at a time."""
    files = fetched(plan, s)
    if not files:
        return []
    places = [f"{MODELS}{path.removeprefix(plan.models_dir)}" for path in models(plan, s)]
    lines = [
        f"exec 9>{places[0]}/.lock",
        "flock 9",
        'get() { [ "$(stat -c %s "$path" 2>/dev/null)" = "$bytes" ] || sh -eu /tools/fetch.sh; }',
        "export path url bytes digest hub",
        *([PUT] if any(d.text for d in files) else []),
    ]
    for d in files:
        at, hub = f"{MODELS}/{plan.below_models(d.path)}", "yes" if d.hub else "''"
        if d.text:
            lines.append(f"path={quote(at)} text={b64encode(d.text.encode()).decode()}\nput")
        else:
            lines.append(f"path={quote(at)} url={quote(d.url)} bytes={d.bytes} digest={d.digest} hub={hub}\nget")
    mounts: list[Object] = [
        *(
            {"name": name(plan, p), "mountPath": at, "subPath": DATA}
            for p, at in zip(models(plan, s), places, strict=True)
        ),
        {"name": TOOLS, "mountPath": "/tools", "readOnly": True},
    ]
    found = _container("models", "\n".join(lines) + "\n", mounts, 0, ["DAC_OVERRIDE"])
    told = [told_secret(plan, f"services/{s.kind}", TOKEN, TOKEN) for k in plan.secrets if k.name == TOKEN]
    return [{**found, "env": told} if told and any(d.hub for d in files) else found]


def _wait(plan: Plan, s: PlannedService) -> list[Object]:
    """Until each answers by its name, which leads to pods that are ready alone."""
    ports = {other.name: other.port for other in plan.services}
    if not s.depends_on:
        return []
    lines = [
        f"until nc -z -w 2 {other} {ports[other]}; do echo waiting for {other}; sleep 2; done" for other in s.depends_on
    ]
    return [_container("wait", "\n".join(lines) + "\n", [], NOBODY, [])]
