"""What a first run fetches, and the room that it takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.cli import words
from gpufleet.plan import plan, want
from gpufleet.plan.fetch import UNPACKED, left, missing, room
from gpufleet.schema import Download, HostFacts, HostForecast, Plan, Pull
from tests.conftest import CASES, cases
from tests.test_forecast import foretold, fresh
from tests.test_planner import facts as planner_facts

MB = 1_000_000


def forecast(case: dict[str, Any]) -> HostForecast:
    """Of a host with two cards, of which only the case's own things are there."""
    there = case.get("there", {})
    facts: HostFacts = planner_facts({"cards": [{"mib": 24564}, {"mib": 24564}] if case["role"] != "cpu" else []})
    have = tuple(there.get("images", ()))
    engine = facts.engine.model_copy(update={"images": have})
    facts = facts.model_copy(update={"engine": engine})
    data = {"stack": "peregrine", "catalog": str(CASES / "catalog"), **case.get("data", {})}
    planned = plan("host", want(["all", case["role"]], data), facts)
    assert not planned.blocked, planned.blocked
    facts = facts.model_copy(update={"engine": engine.model_copy(update={"images": (*have, *_fetcher(planned))})})
    models = {d.path: d for d in planned.downloads if d.path.rpartition("/")[2] in there.get("models", ())}
    state = {
        "models": {planned.below_models(p): d.digest for p, d in models.items()},
        "done": tuple(there.get("done", ())),
    }
    return foretold(planned, facts, fresh(facts).model_copy(update=state))


def _fetcher(planned: Plan) -> tuple[str, ...]:
    return (planned.fetcher.image,) if planned.fetcher else ()


@pytest.mark.parametrize("case", cases("downloads").values(), ids=cases("downloads").keys())
def test_a_first_run_fetches_what_the_table_says(case: dict[str, Any]) -> None:
    found = forecast(case)
    assert {pull.services[0]: (pull.bytes or 0) // MB for pull in found.images} == case["images"]
    assert {words.file(f): f.left // MB for f in found.downloads} == case.get("models", {})
    assert words.total(found) == case["total"] * MB


def test_who_shares_an_image_is_said() -> None:
    shared = [p for p in forecast(cases("downloads")["dual-gpu, ollama"]).images if len(p.services) > 1]
    assert [words.pulled(p, 100) for p in shared] == ["800 MB, 2 min, for ollama and ollama-research"]


@pytest.mark.parametrize(
    ("present", "to_come"),
    [({}, 9), ({"/m/a": 9}, 0), ({"/m/a": 8}, 9), ({"/m/part": 5}, 4), ({"/m/part": 9}, 0), ({"/m/part": 10}, 9)],
)
def test_what_is_still_to_come_of_a_file(present: dict[str, int], to_come: int) -> None:
    """One of another size is set aside; of a part that is too long nothing can be used."""
    file = Download(path="/m/a", part="/m/part", url="http://x/a", bytes=9, digest="sha256:" + "0" * 64)
    assert left(file, present) == to_come


PULLS = st.lists(
    st.builds(Pull, image=st.sampled_from(["a/b:1", "a/c:2", "a/d:3"]), bytes=st.none() | st.integers(0, 1 << 40))
)


@given(pulls=PULLS, there=st.sets(st.sampled_from(["a/b:1", "a/c:2", "a/e:4"])))
def test_what_is_there_takes_no_more_room(pulls: list[Pull], there: set[str]) -> None:
    left = missing(pulls, there)
    assert room(left) <= room(pulls)
    assert not {p.image for p in left} & there
    assert room(pulls) >= UNPACKED * sum(p.bytes or 0 for p in pulls) / (1 << 20)
