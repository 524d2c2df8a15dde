"""Settings and facts in, a plan or one line a problem out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gpufleet.errors import Refused
from gpufleet.plan import want
from gpufleet.schema import Distro, HostFacts, Model, Noun, Service, Settings, Stack
from gpufleet.schema.base import LIKE
from tests.conftest import cases, planned


@pytest.mark.parametrize(("case"), cases("refused").values(), ids=cases("refused").keys())
def test_bad_input_is_refused_in_one_line(case: dict[str, Any], tmp_path: Path) -> None:
    data = dict(case.get("data", {}))
    if "stack" in case:
        (tmp_path / "mine.yaml").write_text(case["stack"])
        data["stack"] = str(tmp_path / "mine.yaml")
    with pytest.raises(Refused) as refused:
        want(case.get("groups", ["all", "cpu"]), data)
    lines = [str(p) for p in refused.value.problems]
    assert all("\n" not in line for line in lines)
    assert case["contains"] in "\n".join(lines) if "contains" in case else lines == case["lines"]


@pytest.mark.parametrize("noun", [Settings, Stack, Service, Model, Distro])
def test_what_is_wanted_is_said_in_words(noun: type[Noun]) -> None:
    patterns = re.findall(r'"pattern": (".*?[^\\]")', json.dumps(noun.model_json_schema()))
    assert patterns
    assert {json.loads(p) for p in patterns} <= LIKE.keys()


@pytest.mark.parametrize(("case"), cases("preflight").values(), ids=cases("preflight").keys())
def test_preflight_finds_what_cannot_work(case: dict[str, Any], hosts: dict[str, HostFacts]) -> None:
    plan = planned(hosts[case["host"]], case.get("role", "cpu"), case.get("data"))
    assert {f.id for f in plan.findings} == set(case.get("find", {}))
    for finding in plan.findings:
        assert case["find"][finding.id] in str(finding)


def test_the_best_card_is_pinned_by_uuid(hosts: dict[str, HostFacts]) -> None:
    llama = planned(hosts["two-cards"], "single_gpu").services[0]
    assert llama.devices == ("GPU-1b2c3d4e-0001-4a5b-8c9d-0e1f2a3b4c5d",)
    assert llama.accelerator == "cuda"


def test_a_radeon_is_given_as_its_own_nodes(hosts: dict[str, HostFacts]) -> None:
    access = planned(hosts["w7900"], "single_gpu").services[0].access
    assert (access.devices, access.groups) == (("/dev/kfd", "/dev/dri/renderD128"), (993,))
    assert access.environment == {"ROCR_VISIBLE_DEVICES": "GPU-3c1f9a2b7d40e586"}


def test_a_target_is_overridden_only_by_its_family(hosts: dict[str, HostFacts]) -> None:
    assert planned(hosts["navi22"], "single_gpu").services[0].access.environment == {
        "HSA_OVERRIDE_GFX_VERSION": "10.3.0"
    }


def test_a_smaller_context_asks_for_less(hosts: dict[str, HostFacts]) -> None:
    big, small = (
        next(line.mib for line in book.lines if line.what.startswith("KV cache"))
        for c in (8192, 4096)
        for book in planned(hosts["rtx4090"], "single_gpu", {"options": {"llama": {"context": c}}}).ledgers[:1]
    )
    # Qwen2.5 1.5B: 28 layers x 2 KV heads x 128 x 2 (K and V) x 2 bytes = 28 KiB a token.
    assert big - small == 4096 * 28 // 1024
