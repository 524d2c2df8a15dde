"""Laws that hold for every host and every setting."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.errors import Refused
from gpufleet.plan import plan, want
from gpufleet.plan.drift import drift
from gpufleet.render import render
from gpufleet.schema import Container, Engine, Gpu, Gpus, HostFacts, HostState, Settings, System
from tests.conftest import planned, wanted

MIB = st.integers(0, 200_000)
GPUS = st.builds(
    Gpu,
    vendor=st.just("nvidia"),
    pci_address=st.from_regex(r"0000:[0-9a-f]{2}:00\.0", fullmatch=True),
    pci_id=st.just("10de:2684"),
    uuid=st.one_of(st.none(), st.uuids().map(lambda u: f"GPU-{u}")),
    vram_total_mib=st.one_of(st.none(), MIB),
    vram_source=st.sampled_from(["driver", "table"]),
    usable=st.sampled_from([True, False, None]),
    counts=st.sampled_from(["yes", "no", "uma", None]),
    memory_kind=st.sampled_from(["dedicated", "unified", None]),
)
CARDS = st.lists(GPUS, max_size=8, unique_by=lambda g: g.pci_address).map(lambda c: Gpus(cards=tuple(c)))
HOSTS = st.builds(
    HostFacts,
    system=st.builds(System, uid=st.sampled_from([0, 1000]), memory_mib=MIB, distro=st.sampled_from(["debian", "x"])),
    gpus=CARDS,
    engine=st.builds(Engine, version=st.one_of(st.none(), st.just("26.1.5")), reachable=st.booleans()),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@given(facts=HOSTS, role=st.sampled_from(["cpu", "single_gpu"]))
def test_every_host_gets_a_plan_and_the_same_one_again(facts: HostFacts, role: str) -> None:
    first, second = planned(facts, role), planned(facts, role)
    assert first == second
    assert render(first).archive() == render(second).archive()
    for book in first.ledgers:
        assert book.capacity_mib == book.reserve_mib + book.used_mib + book.free_mib
    fits = [book.free_mib >= 0 for book in first.ledgers if book.lines]
    assert all(fits) or any(f.id == "PLAN-FIT" for f in first.blocked)


@given(facts=HOSTS)
def test_only_usable_cards_are_planned_with(facts: HostFacts) -> None:
    cards = [g for g in facts.gpus.cards if g.usable]
    own = [g for g in cards if g.counts == "yes" and g.memory_kind != "unified"]
    mine = {g.identity for g in own if g.vram_source == "driver" and g.vram_total_mib}
    unified = {g.identity for g in cards if g.counts in ("uma", "yes") and g.memory_kind == "unified"}
    usable = mine or unified
    plan_ = planned(facts, "single_gpu")
    assert {d for s in plan_.services for d in s.devices} <= usable
    assert usable or plan_.blocked


@given(
    data=st.dictionaries(
        st.one_of(st.sampled_from(sorted(Settings.model_fields)), st.text(max_size=8)), JSON, max_size=4
    )
)
def test_any_settings_are_read_or_refused_in_lines(data: dict[str, Any]) -> None:
    try:
        want(["cpu"], data)
    except Refused as refused:
        lines = [str(p) for p in refused.problems]
        assert lines
        assert all(line.count("\n") == 0 and ": " in line and "; " in line for line in lines)


@given(
    broken=st.sampled_from(["llama", "redis", "litellm"]), how=st.sampled_from(["gone", "hash", "exited", "unhealthy"])
)
def test_drift_names_exactly_what_differs(broken: str, how: str) -> None:
    plan_ = plan("h", wanted(), HostFacts())
    release = render(plan_)
    containers = tuple(_container(s.name, how if s.name == broken else "") for s in plan_.services)
    state = HostState(
        containers=tuple(c for c in containers if c),
        current=release.id,
        verified=release.id,
        hashes={s.name: "h" for s in plan_.services},
    )
    reasons = drift(plan_, release, state)
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{broken}: ")


def _container(service: str, how: str) -> Container | None:
    if how == "gone":
        return None
    state, health = ("exited" if how == "exited" else "running"), ("unhealthy" if how == "unhealthy" else "healthy")
    return Container.model_validate(
        {
            "name": service,
            "state": state,
            "health": health,
            "project": "starter",
            "service": service,
            "ports": "",
            "config_hash": "x" if how == "hash" else "h",
        }
    )


def test_a_stranger_in_our_project_is_drift() -> None:
    plan_ = plan("h", wanted(), HostFacts())
    extra = _container("localai", "")
    assert extra
    state = HostState(containers=(extra,))
    assert "localai: is no longer part of the stack" in drift(plan_, render(plan_), state)


@pytest.mark.parametrize("amount", [0, 1])
def test_reserve_is_kept(amount: int) -> None:
    """A card with exactly the room asked for fits; one MiB less does not."""
    need = planned(HostFacts(gpus=_card(99_999)), "single_gpu").ledgers[0].used_mib + 512
    found = planned(HostFacts(gpus=_card(need - amount)), "single_gpu").blocked
    assert any(f.id == "PLAN-FIT" and f.where != "ledger/ram" for f in found) == bool(amount)


def _card(mib_: int) -> Gpus:
    card = Gpu(vendor="nvidia", uuid="GPU-1", vram_total_mib=mib_, vram_source="driver", usable=True, counts="yes")
    return Gpus(cards=(card,))


LICENCES = {"fish-speech": "cc-by-nc-sa-4.0", "xtts": "cpml", "musicgen": "cc-by-nc-4.0"}


@given(run=st.sets(st.sampled_from(sorted(LICENCES))), accept=st.sets(st.sampled_from(sorted(LICENCES.values()))))
def test_nothing_runs_under_a_licence_that_was_not_accepted(run: set[str], accept: set[str]) -> None:
    data = {"stack": "cognitive-silo", "services": dict.fromkeys(run, True), "accept": sorted(accept)}
    said = [f.what for f in plan("h", want(["cpu"], data), HostFacts()).blocked if f.id == "PLAN-LICENCE"]
    asked = {LICENCES[name] for name in run} - accept
    assert len(said) == len(asked)
    assert all(any(f"licence {name}," in what for what in said) for name in asked)
