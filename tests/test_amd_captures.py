"""AMD's part of recorded hosts, damaged in every way: it says less, never something else."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpufleet.catalog.vendors import amd
from gpufleet.catalog.vendors.seen import Seen
from gpufleet.facts.section import split
from tests import corpus

# Whole recorded hosts, as the probe prints them.
HERE = Path(__file__).parent
ELSEWHERE = HERE.parent.parent / "shared/gpu-corpus"
SOME = ("container", "mi100-x4", "mi300x-x4", "mi308", "mi350x", "r9700", "rx6600", "rx7800xt")
RECORDED = [HERE / "cases/gpu/w7900", HERE / "cases/gpu/strix-halo", HERE / "cases/gpu/vfio"]
RECORDED += sorted(c for c in (ELSEWHERE / "amd").glob("*") if c.name.startswith(SOME))
TELLING = re.compile(
    r'unique.id|uuid|serial|pci bus|bdf|node|^kfd |^pci |gpu: |"gpu"|^rocminfo.(agent |  name: +gfx)', re.I
)
BANNERS = ["", "Welcome to amd 0000:03:00.0", "Last login: card0", "pci", "kfd", "amdsys", "rocmsmi", "GPU[9]"]


@cache
def host(case: Path) -> tuple[list[str], Seen]:
    """The lines of the GPU section on a recorded host, and what they mean."""
    said: dict[str, list[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "parse", lambda _, lines: said.update(split(lines)) or said)
        corpus.replay(case.resolve())
    return said["gpus"], amd.parse(said["gpus"])


def known(seen: Seen) -> dict[str, set[Any]]:
    keys = ("uuid", "pci_address", "kfd_node", "index")
    return {key: {getattr(c, key) for c in seen.cards} | {None} for key in keys}


def hold(before: Seen, lines: list[str]) -> None:
    """The laws: nothing is raised, there is no card more, and nothing that a card is known by is new."""
    after = amd.parse(lines)
    assert len(after.cards) <= len(before.cards)
    for key, values in known(after).items():
        assert values <= known(before)[key], key
    assert set(after.links) <= set(before.links)


few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
hosts = st.sampled_from(RECORDED)


def cut(lines: list[str], data: st.DataObject) -> list[str]:
    """``lines`` up to any byte, mostly of one that tells what a card is known by."""
    telling = [n for n, line in enumerate(lines) if TELLING.search(line)]
    last = data.draw(st.sampled_from(telling) if telling else st.integers(0, len(lines) - 1))
    return [*lines[:last], lines[last][: data.draw(st.integers(0, len(lines[last])))]]


@few
@given(hosts, st.data())
def test_an_answer_cut_at_any_byte_says_less_and_nothing_else(case: Path, data: st.DataObject) -> None:
    lines, before = host(case)
    hold(before, cut(lines, data))


@few
@given(hosts, st.data(), st.sampled_from([124, 137, 143]))
def test_a_tool_that_hangs_costs_what_it_did_not_say(case: Path, data: st.DataObject, rc: int) -> None:
    lines, before = host(case)
    asked = sorted({line.partition("#")[0] for line in lines if line.endswith("#0")} & set(amd.LABELS))
    label = data.draw(st.sampled_from(asked or ["rocminfo"]))
    said = [line for line in lines if line.startswith(f"{label}|")]
    rest = [line for line in lines if not line.startswith((f"{label}|", f"{label}#"))]
    hold(before, [*rest, *(cut(said, data) if said else []), f"{label}#{rc}"])


@few
@given(hosts, st.data())
def test_lines_dropped_reordered_and_strange_invent_no_card(case: Path, data: st.DataObject) -> None:
    lines, before = host(case)
    random = data.draw(st.randoms(use_true_random=False))
    rate, telling = data.draw(st.sampled_from([(0.0, 0.0), (0.02, 0.1), (0.0, 0.5), (0.3, 0.3)]))
    kept = [line for line in lines if random.random() >= (telling if TELLING.search(line) else rate)]
    for banner in data.draw(st.lists(st.sampled_from(BANNERS), max_size=4)):
        kept.insert(random.randrange(len(kept) + 1), banner)
    if data.draw(st.booleans()):
        random.shuffle(kept)
    if data.draw(st.booleans()):
        kept = [f"{line}\r" for line in kept]
    hold(before, kept)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_unknown_keys_and_decimal_commas_change_nothing(case: Path) -> None:
    lines, before = host(case)
    more = []
    for line in lines:
        if line.startswith("amdsys "):
            more.append(f"{' '.join(line.split()[:2])} mem_info_new 7")
        elif re.match(r'(rocmsmi|amdsmi)\| +"[^"]*":', line):
            more.append(f'{line.split("|")[0]}|"New Key": "0x7",')
        strange = line.replace(" end", " hive=² new_key=9 end") if line.startswith("kfd ") else line
        more.append(re.sub(r"(\d)\.(\d+°?[cCW])", r"\1,\2", strange))
    assert amd.parse(more).cards == before.cards
