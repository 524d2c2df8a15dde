"""A service as Kubernetes runs it: its pod, and what keeps that running."""

from __future__ import annotations

from math import ceil
from shlex import join, quote

from ...schema import Healthcheck, Plan, PlannedService
from . import before
from .environment import environment, expand_all, unescaped
from .names import chosen, meta, selector, value
from .storage import mounts, on_nodes, ours, volumes, writes
from .text import Expr, Maybe, Object, filled

DEVICES = {"cuda": "nvidia.com/gpu", "rocm": "amd.com/gpu"}


def workload(plan: Plan, s: PlannedService) -> Object:
    """What runs on each node, what has data of its own, or what there may be several of."""
    kind = "DaemonSet" if on_nodes(plan, s) else "StatefulSet" if writes(plan, s) else "Deployment"
    only: dict[str, Object] = {
        "DaemonSet": {},
        "StatefulSet": {"serviceName": s.name, "replicas": 1},
        "Deployment": {"replicas": value(s, "replicas"), "strategy": _strategy(plan, s)},
    }
    labels = meta(plan, s.name, s)["labels"]
    files = {"checksum/files": Expr(f'(.Files.Glob "files/{s.name}/*").AsConfig | sha256sum')}
    annotations = files if any(o.service == s.name for o in plan.outputs) else {}
    template = {"metadata": filled({"labels": labels, "annotations": annotations}), "spec": _pod(plan, s)}
    spec = filled({**only[kind], "selector": {"matchLabels": selector(s)}, "template": template})
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta(plan, s.name, s), "spec": spec}


def _strategy(plan: Plan, s: PlannedService) -> Object:
    """A second pod would wait for the card, or for the claim, that the first one holds."""
    return {"type": "Recreate"} if s.devices or ours(plan, s) else {}


def _pod(plan: Plan, s: PlannedService) -> Object:
    by_card = {"runtimeClassName": Maybe(".Values.runtimeClassName")} if s.devices else {}
    return filled(
        {
            **by_card,
            # By default each Service is told to all pods as NAME_PORT and more, which programs take for settings.
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "hostPID": s.host_pid or None,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": s.stop_grace_period,
            "imagePullSecrets": Maybe(".Values.imagePullSecrets"),
            "nodeSelector": chosen(s, "nodeSelector"),
            "tolerations": chosen(s, "tolerations"),
            "initContainers": before.containers(plan, s),
            "containers": [_container(plan, s)],
            "volumes": volumes(plan, s),
        }
    )


def _container(plan: Plan, s: PlannedService) -> Object:
    where = f"services/{s.kind}"
    return filled(
        {
            "name": s.name,
            "image": value(s, "image"),
            "imagePullPolicy": Expr(".Values.imagePullPolicy | toJson"),
            "command": expand_all(s.entrypoint, f"{where}/entrypoint"),
            "args": expand_all(s.command, f"{where}/command"),
            "env": environment(plan, s),
            "ports": [{"name": f"port-{p}", "containerPort": p} for p in ports(s)],
            "startupProbe": _startup(plan, s),
            "readinessProbe": _readiness(s),
            "lifecycle": _steps(plan, s),
            "resources": value(s, "resources"),
            "securityContext": _security(s),
            "volumeMounts": mounts(plan, s),
        }
    )


def ports(s: PlannedService) -> list[int]:
    return [*dict.fromkeys((s.port, *s.ports.values(), *s.publish_more.values()))]


def resources(plan: Plan, s: PlannedService) -> Object:
    """Memory asked for as the ledger counts it, limited as on hosts; cards by the number of them."""
    books = [book for book in plan.ledgers if book.device == "ram"]
    counted = sum(line.mib for book in books for line in book.lines if line.service == s.name)
    turns = [sum(x.mib for x in e if x.service == s.name) for book in books for t in book.turns for e in t.each]
    asked = min(counted + max(turns, default=0), s.memory_mib)
    cards = {DEVICES[s.accelerator]: len(s.devices)} if s.devices else {}
    return {"requests": {"memory": f"{asked}Mi", **cards}, "limits": {"memory": f"{s.memory_mib}Mi", **cards}}


def _security(s: PlannedService) -> Object:
    uid, _, gid = (s.user or "").partition(":")
    user = {"runAsUser": int(uid), "runAsGroup": int(gid)} if uid else {}
    told = {"allowPrivilegeEscalation": not s.no_new_privileges}
    return {**user, **told, **({"capabilities": {"add": list(s.capabilities)}} if s.capabilities else {})}


def test(s: PlannedService, check: Healthcheck) -> list[str]:
    """The health check's command; in probes nothing is expanded."""
    words = [unescaped(word, f"services/{s.kind}/healthcheck") for word in check.test]
    return ["/bin/sh", "-c", words[1]] if words[0] == "CMD-SHELL" else words[1:]


def _startup(plan: Plan, s: PlannedService) -> Object | None:
    """The health check, for as long as a release may take; a container that fails it all that time starts again."""
    if not (h := s.healthcheck):
        return None
    tries = ceil((h.start_period + plan.health_deadline) / h.interval)
    return {"exec": {"command": test(s, h)}, **_times(h, tries)}


def _readiness(s: PlannedService) -> Object | None:
    """The gate, asked from outside as users do; else the health check. Nothing that the catalog does not say."""
    times = _times(s.healthcheck, s.healthcheck.retries) if s.healthcheck else {}
    if s.gate and 200 <= s.gate.status < 400:
        return {"httpGet": {"path": s.gate.path, "port": f"port-{s.port}"}, **times}
    return {"exec": {"command": test(s, s.healthcheck)}, **times} if s.healthcheck else None


def _times(h: Healthcheck, tries: int) -> Object:
    return {"periodSeconds": h.interval, "timeoutSeconds": h.timeout, "failureThreshold": tries}


def _steps(plan: Plan, s: PlannedService) -> Object | None:
    """Steps right after the start: until they are done the container is not ready, and it starts again if one fails."""
    if not s.steps:
        return None
    lines = ["[ ! -w /proc/1/fd/1 ] || exec >>/proc/1/fd/1 2>&1  # into the container's log"]
    if s.healthcheck:
        healthy = join(test(s, s.healthcheck))
        lines += [
            "left=" + str(plan.health_deadline // 2),
            f"until {healthy} >/dev/null 2>&1; do",
            '  left=$((left - 1)); [ "$left" -gt 0 ] || { echo "steps: it does not become healthy"; exit 1; }',
            "  sleep 2",
            "done",
        ]
    for step in s.steps:
        lines += [
            f"complete() {{ sh -c {quote(step.check)} >/dev/null 2>&1; }}",
            f"complete || {{ echo {quote(f'step {step.name}')}; sh -c {quote(step.run)} && complete; }} || "
            f"{{ echo {quote(f'step {step.name} is not complete')}; exit 1; }}",
        ]
    return {"postStart": {"exec": {"command": ["sh", "-c", "\n".join(lines) + "\n"]}}}
