"""Recorded hosts through the real probe: our own hand-written ones, and a corpus beside the checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import corpus

HERE = Path(__file__).parent
ELSEWHERE = HERE.parent.parent / "shared" / "gpu-corpus"  # third parties' captures: read there, never copied
CASES = sorted(p.parent for folder in (HERE / "cases/gpu", ELSEWHERE) for p in folder.rglob("expected.json"))


# Four cards by identifier and, from another day, one lost card by address: nothing recorded tells which of them it is.
UNTOLD = "gpu-lost-2080ti-one-of-four"


def _case(path: Path) -> Any:
    untold = pytest.mark.xfail(strict=True, reason="the recording does not tell what is expected")
    return pytest.param(path, id=f"{path.parent.name}/{path.name}", marks=[untold] if path.name == UNTOLD else [])


@pytest.mark.parametrize("case", [_case(c) for c in CASES])
def test_a_recorded_host_is_read_right(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    assert list(corpus.differences(expected, corpus.replay(case.resolve()))) == []


@pytest.mark.usefixtures("shells")
@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_every_shell_reads_the_same(shell: str) -> None:
    case = HERE / "cases/gpu/rtx4090"
    assert corpus.replay(case, shell) == corpus.replay(case)


# What each own case's probe printed, once: mutating it needs no host.
PRINTED = {c.name: corpus.printed(c.resolve()) for c in sorted((HERE / "cases/gpu").iterdir())}


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_answer_is_read_without_inventing_a_card(data: st.DataObject) -> None:
    """Cut, reordered, dropped, with a banner in between, with the line ends of another system."""
    lines = PRINTED[data.draw(st.sampled_from(sorted(PRINTED)))]
    whole = corpus.read(lines)
    start, end = lines.index("@@ gpus") + 1, lines.index("@@ end")
    inner = data.draw(st.permutations(lines[start:end])) if data.draw(st.booleans()) else list(lines[start:end])
    inner = inner[: data.draw(st.integers(0, len(inner)))]
    inner[data.draw(st.integers(0, len(inner))) : 0] = data.draw(st.lists(st.text(max_size=60), max_size=3))
    ending = data.draw(st.sampled_from(["", "\r"]))
    damaged = corpus.read(["@@ gpus", *(f"{line}{ending}" for line in inner if line[:3] != "@@ "), "@@ end"])
    known = {name for card in whole.cards for name in (card.uuid, card.pci_address, card.identity, card.index)}
    assert len(damaged.cards) <= max(1, len(whole.cards))
    assert all({card.uuid, card.pci_address, card.index} & known for card in damaged.cards)
    assert all(card.uuid in known or card.uuid is None for card in damaged.cards)


def test_differences_are_found_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/expected.json").write_text('{"gpus": [{"vendor": "amd"}], "problems": ["gpu-lost"]}')
    assert corpus.main(str(tmp_path)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 of 1 cases as expected"
