"""A plan's release, byte for byte. After a wanted change: `python -m tests.test_render` writes the cases anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.render import Release, render
from gpufleet.schema import HostFacts, read
from tests.conftest import CASES, cases, planned

RELEASES: dict[str, Any] = {
    "cpu": ("cpu", "cpu"),
    "single_gpu": ("rtx4090", "single_gpu"),
    "runtime": ("runtime-only", "single_gpu"),
    "rocm": ("w7900", "single_gpu"),
    "selinux": ("selinux", "cpu"),
    "everything": ("cpu", "cpu", {"catalog": str(CASES / "catalog"), "stack": "everything"}),
    "built": ("cpu", "cpu", {"catalog": str(CASES / "catalog"), "stack": "built"}),
    "external": ("external-llama", "cpu", {"external": {"llama": "http://127.0.0.1:8080"}}),
    "podman": ("podman-card", "single_gpu", {"engine": "podman"}),
}


def _release(facts: HostFacts, role: str, data: dict[str, Any] | None = None) -> Release:
    return render(planned(facts, role, data))


@pytest.mark.parametrize("name", RELEASES)
def test_release_is_the_recorded_one(name: str, hosts: dict[str, HostFacts]) -> None:
    host, *wanted = RELEASES[name]
    files = _release(hosts[host], *wanted).files
    recorded = {
        str(p.relative_to(CASES / "release" / name)): p for p in (CASES / "release" / name).rglob("*") if p.is_file()
    }
    assert files.keys() == recorded.keys()
    assert {path: data.decode() for path, data in files.items()} == {
        path: p.read_text() for path, p in recorded.items()
    }


def test_every_service_is_bounded_and_checked(hosts: dict[str, HostFacts]) -> None:
    for service in yaml.safe_load(_release(hosts["cpu"], "cpu").files["compose.yaml"])["services"].values():
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"
        assert service["mem_limit"]
        assert service["security_opt"] == ["no-new-privileges"]


def test_one_setting_changes_one_service(hosts: dict[str, HostFacts]) -> None:
    before, after = (
        yaml.safe_load(_release(hosts["cpu"], "cpu", data).files["compose.yaml"])["services"]
        for data in ({}, {"options": {"redis": {"maxmemory_mib": 64}}})
    )
    assert [name for name in before if before[name] != after[name]] == ["redis"]


def test_a_changed_file_changes_the_label_of_its_service(hosts: dict[str, HostFacts]) -> None:
    plan = planned(hosts["cpu"])
    renamed = plan.model_copy(
        update={"services": tuple(s.model_copy(update={"model": s.model and "other"}) for s in plan.services)}
    )
    labels = [
        {
            n: s["labels"]["gpufleet.files"]
            for n, s in yaml.safe_load(render(p).files["compose.yaml"])["services"].items()
            if "gpufleet.files" in s.get("labels", {})
        }
        for p in (plan, renamed)
    ]
    assert labels[0].keys() == labels[1].keys() == {"litellm"}
    assert labels[0] != labels[1]


def _write() -> None:
    for name, (host, *wanted) in RELEASES.items():
        for path, data in _release(read(HostFacts, cases("hosts")[host], host), *wanted).files.items():
            target: Path = CASES / "release" / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


if __name__ == "__main__":
    _write()
