"""The planner: stacks of cases/catalog on cards of every kind, and the laws of assignment."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.catalog import Catalog
from gpufleet.plan import plan, want
from gpufleet.plan.assign import Ask, Cards, assign
from gpufleet.schema import HostFacts, Plan, read
from tests.conftest import CASES, cases


def uuid(card: int, instance: int | None = None) -> str:
    return f"GPU-{card:08d}-0001-4a5b-8c9d-0e1f2a3b4c5d" if instance is None else f"MIG-{card:08d}-{instance:04d}"


def card(
    number: int, mib: int | None, free: int | None = None, mig: list[int] | None = None, **told: Any
) -> dict[str, Any]:
    vendor = told.get("vendor", "nvidia")
    base: dict[str, Any] = {
        "vendor": vendor, "name": f"card {number}", "uuid": uuid(number), "pci_address": f"0000:{number + 1:02x}:00.0",
        "pci_id": "10de:2684", "vram_total_mib": mib, "vram_free_mib": free, "vram_source": "driver", "minor": number,
        "usable": True, "counts": "yes",
    }  # fmt: skip
    if vendor == "amd":
        base |= {"pci_id": "1002:7448", "render_node": f"renderD{128 + number}", "gfx_target": "gfx1100"}
    if mig:
        parts = [{"uuid": uuid(number, i), "vram_total_mib": m, "profile": "1g"} for i, m in enumerate(mig)]
        base |= {"mig_mode": "Enabled", "mig_devices": parts}
    return {**base, **told}


def facts(case: dict[str, Any]) -> HostFacts:
    cards = [card(i, **told) for i, told in enumerate(case["cards"])]
    pairs = [[cards[a]["pci_address"], cards[b]["pci_address"]] for a, b in case.get("links", [])]
    engine = {"version": "28.5.2", "compose_version": "2.40.3", "reachable": True, "cdi_devices": ["nvidia.com/gpu=0"]}
    engine["containers"] = [
        {
            "name": n,
            "state": "running",
            "health": "none",
            "project": case["stack"],
            "service": n,
            "config_hash": "",
            "ports": "",
        }
        for n in case.get("running", [])
    ]
    system = {
        "distro": "debian",
        "distro_version": "13",
        "arch": "x86_64",
        "uid": 0,
        "memory_mib": case.get("ram", 96000),
    }
    gpus = {"cards": cards, "links": [{"cards": pair, "kind": "nvlink"} for pair in pairs]}
    return read(HostFacts, {"system": system, "engine": engine, "gpus": gpus}, "case")


def planned(case: dict[str, Any]) -> Plan:
    data = {"stack": case["stack"], "catalog": str(CASES / "catalog"), **case.get("data", {})}
    return plan("host", want(["all", case["role"]], data), facts(case))


def identity(number: int | str) -> str:
    return uuid(*map(int, str(number).split("/")))


@pytest.mark.parametrize("case", cases("plans").values(), ids=cases("plans").keys())
def test_a_stack_goes_where_it_should(case: dict[str, Any]) -> None:
    found = planned(case)
    said = [str(f) for f in found.findings if f.severity != "blocks"]
    assert any(case["warns"] in line for line in said) if "warns" in case else not said
    assert found.tier == case.get("tier")
    reasons = {s.name: s.reason for s in found.services}
    assert {name: reasons[name] for name in case.get("reasons", {})} == case.get("reasons", {})
    assert found.left_out == case.get("left_out", found.left_out)
    names = [*reasons, *(e.name for e in found.externals), *found.left_out]
    assert sorted(names) == sorted(Catalog(CASES / "catalog").stack(case["stack"]).services)
    asked = [line.what for book in found.ledgers for line in book.lines]
    assert case.get("line") in [None, *asked]
    if "blocks" in case:
        assert any(case["blocks"] in str(f) for f in found.blocked), [str(f) for f in found.blocked]
        return
    assert not found.blocked
    for name, cards in case.get("places", {}).items():
        assert {s.name: s.devices for s in found.services}[name] == tuple(identity(c) for c in cards)
    assert not case.get("places") or {s.name for s in found.services} == case["places"].keys()
    for s in (s for s in found.services if not s.devices):
        lines = (
            line.mib for book in found.ledgers if book.device == "ram" for line in book.lines if line.service == s.name
        )
        assert s.memory_mib >= sum(lines)
    used = {book.device: book.used_mib for book in found.ledgers}
    assert {k: used[k if k == "ram" else identity(k)] for k in case.get("used", {})} == case.get("used", {})
    told = {s.name: " ".join([*s.command, *(f"{k}={v}" for k, v in s.environment.items())]) for s in found.services}
    assert all(piece in told[name] for name, piece in case.get("has", {}).items()), told
    unloads = {s.name: {k: list(v) for k, v in s.unloads.items()} for s in found.services if s.unloads}
    assert unloads == case.get("unloads", unloads)


ASKS = st.lists(
    st.builds(
        lambda mib, turn, group, cards: Ask(mib, turn, group, tuple((c,) for c in sorted(cards))),
        st.integers(0, 12), st.integers(0, 8), st.sampled_from("ab"), st.sets(st.integers(0, 2), min_size=1),
    ),
    max_size=5,
)  # fmt: skip
ROOM = st.lists(st.integers(0, 24), min_size=3, max_size=3)


def fits(asks: list[Ask], chosen: tuple[tuple[int, ...], ...], room: list[int]) -> bool:
    cards = Cards(room)
    for ask, choice in zip(asks, chosen, strict=True):
        cards.take(ask, choice)
    return min(cards.free) >= 0


@given(asks=ASKS, room=ROOM)
def test_a_way_that_fits_is_found_if_there_is_one(asks: list[Ask], room: list[int]) -> None:
    found = assign(asks, room)
    assert all(choice in ask.choices for ask, choice in zip(asks, found, strict=True))
    possible = any(fits(asks, chosen, room) for chosen in product(*(a.choices for a in asks)))
    assert fits(asks, tuple(found), room) == possible


@given(asks=ASKS, room=ROOM, more=st.integers(0, 6))
def test_one_more_moves_others_only_if_it_must(asks: list[Ask], room: list[int], more: int) -> None:
    before, new = assign(asks, room), Ask(more, 0, "c", ((0,), (1,), (2,)))
    after = assign([*asks, new], room)
    if any(fits([*asks, new], (*before, choice), room) for choice in new.choices):
        assert after[:-1] == before


@given(asks=ASKS, room=ROOM)
def test_the_same_asks_get_the_same_cards(asks: list[Ask], room: list[int]) -> None:
    assert assign(asks, room) == assign(list(asks), list(room))
