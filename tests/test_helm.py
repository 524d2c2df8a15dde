"""Charts: every stack for every kind of node, through Helm itself, against the schemas of Kubernetes.

`python -m tests.test_helm` writes the recorded chart anew.
"""

from __future__ import annotations

import base64
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gpufleet.catalog import Catalog
from gpufleet.render import render
from gpufleet.render.helm import chart
from gpufleet.schema import Plan
from tests.charts import NODES, by_compose, by_kubernetes, charted, other, planned, templated, written
from tests.conftest import CASES

# It would read its definitions, 1.5 MB, for every object.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)
RECORDED = CASES / "chart"
VERSIONS = ("1.30", "1.37")
# Stacks of which nothing has an image for a card are refused there, as on hosts.
CPU_ALONE = ("cache", "predict-otron", "predict-otron-ha")
ALL = [
    (stack, node) for stack in Catalog().names("stacks") for node in NODES if node == "cpu" or stack not in CPU_ALONE
]


@pytest.mark.parametrize(("stack", "node"), ALL)
def test_every_stack_is_a_chart_that_kubernetes_takes(stack: str, node: str, helm: Path, tmp_path: Path) -> None:
    found = planned(stack, node)
    folder = written(charted(found), tmp_path / "chart")
    lint = subprocess.run([helm, "lint", "--strict", folder], capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr
    assert "[WARNING]" not in lint.stdout
    for options in ((), ("-f", other(folder))):
        objects = templated(helm, folder, *options)
        for version in VERSIONS:
            for told in objects:
                kubernetes_validate.validate(told, version, strict=True)
        _holds_together(objects, existing=bool(options))
        _is_the_plan(found, objects)
    hosts = {f"{s.name}.example.org" for s in found.services if s.publish and s.gate}
    assert {rule["host"] for o in objects if o["kind"] == "Ingress" for rule in o["spec"]["rules"]} == hosts
    assert folder.joinpath("Chart.yaml").read_text() == charted(planned(stack, node))["Chart.yaml"]


def test_what_only_its_user_has_is_asked_for(helm: Path, tmp_path: Path) -> None:
    found = planned("cognitive-silo", "cuda", options={"litellm": {"fallback_model": "openai/gpt-4o"}})
    assert [f.id for f in found.blocked] == ["HOST-SECRET"]
    folder = written(chart(found, ""), tmp_path / "chart")
    run = subprocess.run([helm, "template", "mine", folder], capture_output=True, text=True, check=False)
    assert "given.FALLBACK_API_KEY: only you have it" in run.stderr
    told = templated(helm, folder, "--set", "given.FALLBACK_API_KEY=sk-1")
    kept = next(o["data"] for o in told if o["kind"] == "Secret")
    assert base64.b64decode(kept["FALLBACK_API_KEY"]) == b"sk-1"


def _holds_together(objects: list[dict[str, Any]], existing: bool) -> None:
    """What objects say of each other is there: no schema sees that."""
    by = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    assert len(by) == len(objects)
    keys = {key for o in objects if o["kind"] == "Secret" for key in o["data"]}
    for pod, template in ((o, o["spec"]["template"]) for o in objects if "template" in o.get("spec", {})):
        spec, labels = template["spec"], template["metadata"]["labels"]
        assert pod["spec"]["selector"]["matchLabels"].items() <= labels.items()
        volumes = {v["name"]: v for v in spec.get("volumes", ())}
        assert len(volumes) == len(spec.get("volumes", ()))
        for volume in volumes.values():
            claim, config = volume.get("persistentVolumeClaim"), volume.get("configMap")
            assert not claim or ("PersistentVolumeClaim", claim["claimName"]) in by
            assert not config or ("ConfigMap", config["name"]) in by
        mounted = [m for c in (*spec.get("initContainers", ()), *spec["containers"]) for m in c.get("volumeMounts", ())]
        assert {m["name"] for m in mounted} == set(volumes)
        (container,) = spec["containers"]
        for m in container.get("volumeMounts", ()):
            config = volumes[m["name"]].get("configMap")
            assert not config or m["subPath"] in by["ConfigMap", config["name"]]["data"]
        _environment_is_known(container, keys if not existing else None)
        service = by["Service", container["name"]]
        assert service["spec"]["selector"].items() <= labels.items()
        ports = {p["name"] for p in container["ports"]}
        assert {p["targetPort"] for p in service["spec"]["ports"]} == ports
        assert container["readinessProbe"].get("httpGet", {}).get("port", min(ports)) in ports


def _environment_is_known(container: dict[str, Any], keys: set[str] | None) -> None:
    """Nothing names a value that was not said before it."""
    said: set[str] = set()
    for entry in container.get("env", ()):
        asked = set(re.findall(r"(?<!\$)(?:\$\$)*\$\((\w+)\)", entry.get("value", "")))
        assert asked <= said
        assert entry["name"] not in said
        said.add(entry["name"])
        if "secretKeyRef" in entry.get("valueFrom", ()) and keys is not None:
            assert entry["valueFrom"]["secretKeyRef"]["key"] in keys


def _is_the_plan(found: Plan, objects: list[dict[str, Any]]) -> None:
    """The same commands, values, probes, users and files as the compose file of the same plan."""
    compose = yaml.safe_load(render(found).files["compose.yaml"])["services"]
    pods = {o["metadata"]["name"]: o["spec"]["template"]["spec"] for o in objects if "template" in o.get("spec", {})}
    assert pods.keys() == compose.keys()
    for s in found.services:
        (there,), here = pods[s.name]["containers"], compose[s.name]
        assert there["image"] == here["image"]
        for k8s, theirs in (("command", "entrypoint"), ("args", "command")):
            assert [by_kubernetes(t) for t in there.get(k8s, ())] == [by_compose(t) for t in here.get(theirs, ())]
        assert {e["name"]: _told(e) for e in there.get("env", ()) if not e["name"].startswith("SECRET_")} == {
            name: by_compose(text) for name, text in here.get("environment", {}).items()
        }
        _probes_are_the_checks(found, s.name, there, here)
        user = there["securityContext"]
        assert ":".join(str(user[k]) for k in ("runAsUser", "runAsGroup") if k in user) == here.get("user", "")
        assert user["allowPrivilegeEscalation"] == ("security_opt" not in here)
        live = {o.target: o.target.rpartition("/")[0] for o in found.outputs if o.service == s.name and o.live}
        assert {live.get(m["mountPath"], m["mountPath"]) for m in there.get("volumeMounts", ())} - {"/dev/shm"} == {
            v["target"] for v in here.get("volumes", ()) if not _kept(found, s.name, v["target"])
        }
        assert pods[s.name]["terminationGracePeriodSeconds"] == s.stop_grace_period
        assert there["resources"]["limits"]["memory"] == here["mem_limit"].removesuffix("m") + "Mi"
        cards = {k: v for k, v in there["resources"]["limits"].items() if k != "memory"}
        assert cards == (
            {{"cuda": "nvidia.com/gpu", "rocm": "amd.com/gpu"}[s.accelerator]: len(s.devices)} if s.devices else {}
        )
        waits = next((c["command"][-1] for c in pods[s.name].get("initContainers", ()) if c["name"] == "wait"), "")
        assert re.findall(r"waiting for (\S+);", waits) == [*here.get("depends_on", {})]


def _kept(found: Plan, service: str, target: str) -> bool:
    return any(o.service == service and o.target == target and o.keep for o in found.outputs)


def _probes_are_the_checks(found: Plan, name: str, there: dict[str, Any], here: dict[str, Any]) -> None:
    """Paths and commands are the catalog's: one that nobody answers ends containers for ever."""
    gate = next(s.gate for s in found.services if s.name == name)
    check = [by_compose(word) for word in here.get("healthcheck", {}).get("test", ())]
    command = ["/bin/sh", "-c", check[1]] if check[:1] == ["CMD-SHELL"] else check[1:]
    assert there.get("startupProbe", {}).get("exec", {}).get("command", []) == command
    ready = there["readinessProbe"]
    assert (ready["httpGet"]["path"] == gate.path) if gate else (ready["exec"]["command"] == command)
    assert "livenessProbe" not in there


def _told(entry: dict[str, Any]) -> str:
    whole = entry.get("valueFrom", {})
    if "fieldRef" in whole:
        assert whole["fieldRef"] == {"fieldPath": "spec.nodeName"}
        return "kubernetes"  # what the plan calls its host
    return f"<{whole['secretKeyRef']['key']}>" if whole else by_kubernetes(entry["value"])


def test_secrets_are_made_once_in_the_shape_that_programs_want(helm: Path, tmp_path: Path) -> None:
    found = planned("ai-stack", "cpu")
    objects = templated(helm, written(charted(found), tmp_path))
    made = next(o for o in objects if o["kind"] == "Secret")
    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    decoded = {key: base64.b64decode(value).decode() for key, value in made["data"].items()}
    assert decoded.keys() == {k.name for k in found.secrets}
    for known in found.secrets:
        assert re.fullmatch(f"{known.prefix}[0-9a-f]{{{known.bytes * 2}}}", decoded[known.name])
    assert len(set(decoded.values())) == len(decoded)


def test_the_chart_is_the_recorded_one() -> None:
    recorded = {p.relative_to(RECORDED).as_posix(): p.read_text() for p in RECORDED.rglob("*") if p.is_file()}
    assert recorded_chart() == recorded


def recorded_chart() -> dict[str, str]:
    """Without the script that is the hosts'."""
    return {path: text for path, text in charted(planned("starter", "cuda")).items() if path != "tools/fetch.sh"}


if __name__ == "__main__":
    written(recorded_chart(), RECORDED)
