"""Hosts with every kind of (simulated) card: what the facts, the preflight and the doctor say of them, over SSH."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpufleet.catalog import findings
from tests import corpus
from tests.drive import Fleet
from tests.lab import Lab
from tests.lab.paths import PROFILES

pytestmark = pytest.mark.lab
HOSTS = {f"card{i}": profile for i, profile in enumerate([*sorted(p.name for p in PROFILES.iterdir()), "cpu"])}
IDS = {kind.code: id_ for id_, kind in findings().items() if kind.code}
# Cards that a service can be given today; the others are refused before anything is touched.
PLANNED = {"rtx4090", "two-nvidia", "a100-mig", "lost-card", "w7900", "two-radeon", "strix-halo", "gb10"}


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    fleet = Fleet(lab, HOSTS)
    fleet.lab.up(HOSTS, seeded=False)
    yield fleet
    fleet.lab.down(*HOSTS)


@pytest.fixture(scope="module")
def report(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The doctor's report, as data."""
    file = tmp_path_factory.mktemp("doctor") / "report.json"
    run = fleet.pyinfra("-y", "inventory/lab.py", *fleet.limit(()), "gpufleet.deploys.doctor", f"report={file}")
    assert run.code == 0, run.output
    assert "Traceback" not in run.output
    (file.parent / "text").write_text(run.output)
    return {**json.loads(file.read_text()), "text": run.output}


def expected(profile: str) -> dict[str, Any]:
    path = Path(PROFILES / profile / "expected.json")
    return dict(json.loads(path.read_text())) if path.exists() else {"gpus": [], "problems": []}


@pytest.mark.parametrize("host", HOSTS, ids=HOSTS.values())
def test_the_doctor_sees_the_cards_and_names_each_fault(report: dict[str, Any], host: str) -> None:
    want = expected(HOSTS[host])
    cards = report["hosts"][host]["cards"]
    got = [{**c, "count_for_inference": corpus.COUNTS[c.get("counts")]} for c in cards]
    assert len(got) == len(want["gpus"])
    for card, stated in zip(got, want["gpus"], strict=True):
        told = {k: v for k, v in stated.items() if v is not None or k == "uuid"}
        assert {k: card.get(k) for k in told} == told
    named = {f["id"] for f in report["findings"] if any(s["host"] == host for s in f["seen"])}
    assert {IDS[code] for code in want.get("problems", [])} == named & set(IDS.values())


def test_a_finding_of_many_hosts_is_printed_once(report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        assert report["text"].count(f"{finding['id']} (") == 1
        assert f"fix: {finding['fix']}" in report["text"]


def test_the_preflight_refuses_exactly_what_cannot_work(fleet: Fleet) -> None:
    run = fleet.pyinfra("--dry", "inventory/lab.py", *fleet.limit(()), "deploy.py")
    refused = {host for host in HOSTS if re.search(rf"\[{host}\] +gpus: no usable GPU", run.output)}
    assert {HOSTS[h] for h in HOSTS} - {HOSTS[h] for h in refused} == PLANNED | {"cpu"}
    assert "Traceback" not in run.output


def test_a_recording_of_a_host_is_a_case(fleet: Fleet, tmp_path: Path) -> None:
    host = next(h for h, profile in HOSTS.items() if profile == "lost-card")
    run = fleet.pyinfra("--json", "inventory/lab.py", "--limit", host, "fact", "gpufleet.facts.gpu.Recording")
    assert run.code == 0, run.output
    (tmp_path / "recording.json").write_text(run.stdout)
    assert list(corpus.differences(expected("lost-card"), corpus.replay(tmp_path))) == []


def test_facts_are_printed(fleet: Fleet) -> None:
    host = next(h for h, profile in HOSTS.items() if profile == "two-nvidia")
    run = fleet.pyinfra("inventory/lab.py", "--limit", host, "fact", "gpufleet.facts.gpu.Gpus")
    assert run.code == 0
    assert "NVIDIA GeForce RTX 4060 Ti" in run.output


def test_a_host_that_cannot_be_reached_is_in_the_report(fleet: Fleet) -> None:
    away, here = list(HOSTS)[:2]
    fleet.lab.link(away, up=False)
    try:
        limits = ("--limit", away, "--limit", here)
        run = fleet.pyinfra("-y", "inventory/lab.py", *limits, "gpufleet.deploys.doctor")
    finally:
        fleet.lab.link(away, up=True)
    assert f"{away}: host: cannot be reached over SSH" in run.output
    assert "2 hosts, " in run.output
