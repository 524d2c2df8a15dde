"""What a first run fetches, and the room that it takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.cli import words
from gpufleet.plan import plan, want
from gpufleet.plan.fetch import UNPACKED, missing, room
from gpufleet.schema import Entry, HostFacts, HostForecast, Pull
from tests.conftest import CASES, cases
from tests.test_forecast import foretold, fresh
from tests.test_planner import facts as planner_facts

MB = 1_000_000


def forecast(case: dict[str, Any]) -> HostForecast:
    """Of a host with two cards, of which only the case's own things are there."""
    there = case.get("there", {})
    facts: HostFacts = planner_facts({"cards": [{"mib": 24564}, {"mib": 24564}] if case["role"] != "cpu" else []})
    engine = facts.engine.model_copy(update={"images": tuple(there.get("images", ()))})
    facts = facts.model_copy(update={"engine": engine})
    data = {"stack": "peregrine", "catalog": str(CASES / "catalog"), **case.get("data", {})}
    planned = plan("host", want(["all", case["role"]], data), facts)
    assert not planned.blocked, planned.blocked
    sizes = {f"{planned.root}/models/{name}": mb * MB for name, mb in there.get("models", {}).items()}
    files = {p: Entry(path=p, kind="file", mode="0644", uid=0, gid=0, size=size) for p, size in sizes.items()}
    state = {"entries": files, "done": tuple(there.get("done", ()))}
    return foretold(planned, facts, fresh(facts).model_copy(update=state))


@pytest.mark.parametrize("case", cases("downloads").values(), ids=cases("downloads").keys())
def test_a_first_run_fetches_what_the_table_says(case: dict[str, Any]) -> None:
    found = forecast(case)
    assert {pull.services[0]: (pull.bytes or 0) // MB for pull in found.images} == case["images"]
    assert {words.file(f): f.left // MB for f in found.downloads} == case.get("models", {})
    assert words.total(found) == case["total"] * MB


def test_who_shares_an_image_is_said() -> None:
    shared = [p for p in forecast(cases("downloads")["dual-gpu, ollama"]).images if len(p.services) > 1]
    assert [words.pulled(p, 100) for p in shared] == ["800 MB, 2 min, for ollama and ollama-research"]


PULLS = st.lists(
    st.builds(Pull, image=st.sampled_from(["a/b:1", "a/c:2", "a/d:3"]), bytes=st.none() | st.integers(0, 1 << 40))
)


@given(pulls=PULLS, there=st.sets(st.sampled_from(["a/b:1", "a/c:2", "a/e:4"])))
def test_what_is_there_takes_no_more_room(pulls: list[Pull], there: set[str]) -> None:
    left = missing(pulls, there)
    assert room(left) <= room(pulls)
    assert not {p.image for p in left} & there
    assert room(pulls) >= UNPACKED * sum(p.bytes or 0 for p in pulls) / (1 << 20)
