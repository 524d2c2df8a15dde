"""One stack file on two cards that differ, in each of its modes, on one, and on none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import CASES
from tests.drive import Fleet, cards, converged, fresh
from tests.lab import Lab

pytestmark = pytest.mark.lab
DUAL, ONE, CPU = "dual", "roleone", "rolecpu"
STACK = ("--data", f"stack={CASES / 'stacks' / 'dual.yaml'}")
ENGINES = {"one": {"llama", "research"}, "other": {"llama", "study"}, "both": {"llama", "research", "study"}}
# Cards by PCI address have their nodes the other way round.
NODES = {"llama": ["nvidia1"], "research": ["nvidia0"], "study": ["nvidia0"]}


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, {DUAL: "two-nvidia", ONE: "rtx4090", CPU: "cpu"}) as fleet:
        yield fleet


@pytest.mark.parametrize("mode", ["one", "both", "other"])
def test_a_mode_runs_its_engines_on_their_cards(fleet: Fleet, mode: str) -> None:
    """A change of the mode ends the other one's engine and leaves the first card's alone."""
    started = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' dual-llama-1"
    before = fleet.lab.run(DUAL, started, check=False).stdout.strip()
    converged(fleet, DUAL, *STACK, "--data", f"dual_gpu_mode={mode}")
    assert set(fleet.snapshot(DUAL).containers) == {f"dual-{name}-1" for name in ENGINES[mode]}
    assert before in ("", fleet.lab.run(DUAL, started).stdout.strip())
    for name in ENGINES[mode]:
        assert cards(fleet, DUAL, f"dual-{name}-1") == NODES[name]
    assert len(fleet.lab.run(DUAL, "ls /srv/gpufleet/models").stdout.split()) == 1


def test_an_unknown_mode_is_refused_with_those_that_are(fleet: Fleet) -> None:
    run = fleet.converge("--limit", DUAL, *STACK, "--data", "dual_gpu_mode=bth")
    assert run.code != 0
    assert "group_data/dual_gpu_mode: the stack" in run.output
    assert "has no mode 'bth'; did you mean 'both'?" in run.output


def test_the_same_stack_runs_on_one_card_and_without(fleet: Fleet) -> None:
    for host in (ONE, CPU):
        converged(fleet, host, *STACK)
        assert set(fleet.snapshot(host).containers) == {"dual-llama-1"}
    assert cards(fleet, ONE, "dual-llama-1") == ["nvidia0"]
