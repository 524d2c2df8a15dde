"""The forecast: what a run would do, of hosts in every state that a run has to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpufleet.deploys import boot
from gpufleet.deploys.changes import changes
from gpufleet.deploys.observe import Target
from gpufleet.plan.forecast import forecast
from gpufleet.render import render
from gpufleet.schema import (
    Container,
    Engine,
    Entry,
    Gpu,
    Gpus,
    HostFacts,
    HostForecast,
    HostState,
    Plan,
    Plumbing,
    System,
    read,
)
from tests.conftest import cases, planned


def converged(plan: Plan, facts: HostFacts) -> HostState:
    """The state of a host right after a run."""
    release = render(plan)
    directories = {d.path: Entry(kind="directory", size=0, **d.model_dump(exclude={"keep"})) for d in plan.directories}
    env = Entry(path=plan.env, kind="file", mode="0600", uid=0, gid=0, size=9)
    told = {
        "unit": boot.digest(plan),
        "containers": tuple(container(plan.stack, s.name, "running") for s in plan.services),
        "entries": {**directories, plan.env: env},
        "models": {plan.below_models(d.path): d.digest for d in plan.downloads},
        "env_keys": tuple(s.name for s in plan.secrets),
        "current": release.id,
        "verified": release.id,
        "release": release.digests,
        "live": {path: release.digests[path] for path in plan.live},
        "hashes": {s.name: s.name for s in plan.services},
    }
    return fresh(facts).model_copy(update=told)


def fresh(facts: HostFacts) -> HostState:
    """The state of a host that has what its facts say, and nothing of ours."""
    plumbing = facts.plumbing.model_copy(update={"engine": facts.engine.version})
    return HostState(plumbing=plumbing, cdi=facts.engine.cdi_devices)


def container(stack: str, service: str, state: str) -> Container:
    told = {"name": service, "project": stack, "service": service, "config_hash": service, "state": state}
    return Container.model_validate({**told, "health": "healthy", "ports": ""})


def changed(state: HostState, stack: str, now: dict[str, Any]) -> HostState:
    """The state as ``now`` says."""
    have = {c.service: c for c in state.containers}
    for service, how in now.pop("containers", {}).items():
        have = {n: c for n, c in have.items() if n != service}
        have |= {service: container(stack, service, how)} if how else {}
    gone = now.pop("missing", ())
    left = {name: {k: v for k, v in getattr(state, name).items() if k not in gone} for name in ("entries", "models")}
    now |= {name: Plumbing(**now[name]) for name in now.keys() & {"plumbing"}}
    for name in now.keys() & {"hashes", "release"}:
        now[name] = {**getattr(state, name), **now[name]} if now[name] else {}
    return state.model_copy(update={"containers": tuple(have.values()), **left, **now})


def foretold(plan: Plan, facts: HostFacts, state: HostState) -> HostForecast:
    """As the deploy does it."""
    target = Target(plan, render(plan))
    return forecast(plan, facts, target.release, state, changes(target, state))


@pytest.mark.parametrize("case", cases("forecast").values(), ids=cases("forecast").keys())
def test_what_a_run_would_do_is_foretold(case: dict[str, Any], hosts: dict[str, HostFacts]) -> None:
    facts, expect = hosts[case["host"]], case["expect"]
    plan = planned(facts, case.get("role", "cpu"), case.get("data"))
    now = dict(case.get("now", {}))
    state = fresh(facts) if case.get("fresh") else changed(converged(plan, facts), plan.stack, now)
    found = foretold(plan, facts, state)
    assert {
        "state": found.state,
        "kinds": list(dict.fromkeys(c.kind for c in found.changes)),
        "containers": {c.service: c.action for c in found.containers},
        "left": {f.path.rsplit("/", 1)[-1]: f.left for f in found.downloads},
    } == {"kinds": [], "containers": {}, "left": {}, **expect}


# What of a host's state each part of a run looks after, and ways in which it can be wrong.
PARTS: dict[str, Callable[[Plan, HostState, HostState], dict[str, Any]]] = {
    "boot": lambda plan, a, b: {"unit": a.unit},
    "directories": lambda plan, a, b: {"entries": {**b.entries, **_entries(a, (d.path for d in plan.directories))}},
    "models": lambda plan, a, b: {"models": a.models},
    "secrets": lambda plan, a, b: {"env_keys": a.env_keys},
    "release": lambda plan, a, b: {"release": a.release},
    "run": lambda plan, a, b: {"containers": a.containers, "current": a.current, "verified": a.verified},
}
DAMAGE: dict[str, Callable[[Plan, HostState], dict[str, Any]]] = {
    "boot": lambda plan, s: {"unit": None},
    "directories": lambda plan, s: {"entries": {p: e for p, e in s.entries.items() if p != plan.directories[-1].path}},
    "models": lambda plan, s: {"models": {}},
    "secrets": lambda plan, s: {"env_keys": s.env_keys[1:]},
    "release": lambda plan, s: {"release": {**s.release, "compose.yaml": "another"}},
    "run": lambda plan, s: {"containers": s.containers[1:]},
}


def _entries(state: HostState, paths: Iterable[str]) -> dict[str, Entry]:
    return {path: state.entries[path] for path in paths}


@st.composite
def able(draw: st.DrawFn) -> tuple[HostFacts, str]:
    """A host that a stack can be brought to, and its role."""
    sizes = draw(st.lists(st.sampled_from([8192, 16384, 24576, 98304]), max_size=4))
    cards = tuple(_card(n, mib) for n, mib in enumerate(sizes))
    devices = tuple(f"nvidia.com/gpu={card.uuid}" for card in cards)
    system = System(uid=0, memory_mib=draw(st.integers(8192, 1 << 20)), distro="debian")
    engine = Engine(version="28.5.2", compose_version="2.40.3", reachable=True, cdi_devices=devices)
    role = draw(st.sampled_from(["cpu", "single_gpu", "dual_gpu"][: 1 + min(len(cards), 2)]))
    return HostFacts(system=system, gpus=Gpus(cards=cards), engine=engine), role


def _card(n: int, mib: int) -> Gpu:
    told = {"vendor": "nvidia", "pci_address": f"0000:{n:02x}:00.0", "uuid": f"GPU-{n}", "vram_total_mib": mib}
    return read(Gpu, {**told, "vram_source": "driver", "usable": True, "counts": "yes"}, "card")


@settings(max_examples=100)
@given(fleet=st.lists(able(), min_size=1, max_size=3), data=st.data())
def test_a_run_that_does_what_was_foretold_and_no_more_ends_as_planned(
    fleet: list[tuple[HostFacts, str]], data: st.DataObject
) -> None:
    for facts, role in fleet:
        plan = planned(facts, role)
        assert not plan.blocked
        good = state = converged(plan, facts)
        assert foretold(plan, facts, good).state == "same"
        wrong = data.draw(st.sets(st.sampled_from(sorted(DAMAGE))))
        for kind in wrong:
            state = state.model_copy(update=DAMAGE[kind](plan, state))
        kinds = {change.kind for change in foretold(plan, facts, state).changes}
        assert kinds == wrong
        for kind in kinds:
            state = state.model_copy(update=PARTS[kind](plan, good, state))
        assert foretold(plan, facts, state).state == "same"


def test_a_host_that_waits_for_a_reboot_has_no_places_yet(hosts: dict[str, HostFacts]) -> None:
    facts = hosts["no-driver"]
    found = foretold(planned(facts, "single_gpu", {"driver": "install"}), facts, HostState())
    assert (found.services, found.ledgers) == ((), ())
    assert found.cards[0].usable is False
