"""The worker for pictures: what is asked in the words of txt2img, as a workflow in the format of ComfyUI's API."""

from __future__ import annotations

from typing import Any

import pytest

from gpufleet.render import render
from gpufleet.schema import HostFacts
from tests.conftest import planned
from tests.workflow import problems


@pytest.fixture
def engine(hosts: dict[str, HostFacts], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the program that the worker imports as its engine."""
    plan = planned(hosts["rtx4090"], "single_gpu", {"stack": "velesio"})
    told = next(s for s in plan.services if s.name == "sd-worker").environment
    for name in ("ENGINE", "CHECKPOINT"):
        monkeypatch.setenv(name, told[name])
    names: dict[str, Any] = {}
    exec(render(plan).files["sd-worker/engine.py"].decode(), names)
    return names


@pytest.mark.parametrize(
    ("body", "sampler", "scheduler"),
    [
        ({}, "euler_ancestral", "normal"),
        ({"sampler_name": "DPM++ 2M Karras", "steps": 5, "batch_size": 2}, "dpmpp_2m", "karras"),
        ({"sampler_name": "Euler", "scheduler": "Karras", "seed": 7}, "euler", "karras"),
    ],
)
def test_a_workflow_is_one(engine: dict[str, Any], body: dict[str, Any], sampler: str, scheduler: str) -> None:
    graph = engine["workflow"]({"prompt": "a cat", **body})
    assert not problems(graph)
    sample = graph["sample"]["inputs"]
    assert (sample["sampler_name"], sample["scheduler"]) == (sampler, scheduler)
    assert sample["seed"] == body.get("seed", sample["seed"]) >= 0
    assert graph["empty"]["inputs"]["batch_size"] == body.get("batch_size", 1)


@pytest.mark.parametrize("body", [{"sampler_name": "none"}, {"steps": "many"}, {"width": None}, {"cfg_scale": []}])
def test_what_it_has_no_word_for_is_refused(engine: dict[str, Any], body: dict[str, Any]) -> None:
    status, kind, pieces = engine["ask"]("/sdapi/v1/txt2img", body, 1)
    assert (status, kind) == (400, "application/json")
    assert "error" in "".join(pieces)


def test_an_engine_that_is_away_is_said(engine: dict[str, Any]) -> None:
    engine["ENGINE"] = "http://127.0.0.1:9"
    with pytest.raises(engine["Failed"], match="does not answer"):
        engine["ask"]("/sdapi/v1/txt2img", {}, 1)


@pytest.mark.parametrize(
    ("data", "hands"),
    [
        ({}, 4),
        ({"options": {"llm-worker": {"jobs": 0}}}, 4),
        ({"tier": "8g"}, 2),
        ({"options": {"llm-worker": {"jobs": 7}}}, 7),
        ({"external": {"llm": "http://10.0.0.9:8080"}}, 1),
    ],
)
def test_a_worker_has_as_many_hands_as_its_engine_takes_requests(
    hosts: dict[str, HostFacts], data: dict[str, Any], hands: int
) -> None:
    files = render(planned(hosts["rtx4090"], "single_gpu", {"stack": "velesio", **data})).files
    assert f"\nHANDS = {hands}\n" in files["llm-worker/worker.py"].decode()
    assert "\nHANDS = 1\n" in files["sd-worker/worker.py"].decode()
