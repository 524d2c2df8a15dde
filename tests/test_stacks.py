"""The catalog's own stacks on cards of every kind: what runs, where, and what of it is published."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from gpufleet.catalog import Catalog
from gpufleet.errors import Refused
from gpufleet.plan import plan, want
from gpufleet.render import render
from gpufleet.schema import Plan
from tests.conftest import cases
from tests.test_planner import facts, uuid

STACKS = cases("stacks")


def planned(case: dict[str, Any]) -> Plan:
    return plan("host", want(["all", case["role"]], {"stack": case["stack"], **case.get("data", {})}), facts(case))


@pytest.mark.parametrize("case", STACKS.values(), ids=STACKS.keys())
def test_a_stack_runs_what_it_should(case: dict[str, Any]) -> None:
    found = planned(case)
    for severity in ("blocks", "warns"):
        said = [str(f) for f in found.findings if f.severity == severity]
        assert any(case[severity] in line for line in said) if severity in case else not said
    assert "tier" not in case or found.tier == case["tier"]
    if "services" in case:
        places = {name: tuple(uuid(card) for card in cards) for name, cards in case["services"].items()}
        assert {s.name: s.devices for s in found.services} == places
    if "published" in case:
        ports = {at: s.name for s in found.services for at in (s.publish, *s.publish_more) if at}
        assert ports == case["published"]
    told = {s.name: " ".join([*s.command, *s.environment.values()]) for s in found.services}
    assert not [piece for name, pieces in case.get("has", {}).items() for piece in pieces if piece not in told[name]]


@pytest.mark.parametrize("case", [c for c in STACKS.values() if "gateway" in c], ids=lambda c: str(c.get("data")))
def test_the_gateway_knows_all_models(case: dict[str, Any]) -> None:
    told = yaml.safe_load(render(planned(case)).files["litellm/config.yaml"])
    known = {m["model_name"]: m["litellm_params"]["model"] for m in told["model_list"]}
    assert known == case["gateway"]
    assert told["litellm_settings"].get("fallbacks", []) == case.get("fallbacks", [])


@pytest.mark.parametrize("case", [c for c in STACKS.values() if "backends" in c], ids=lambda c: str(c.get("data")))
def test_peregrine_is_told_of_its_engines(case: dict[str, Any]) -> None:
    told = yaml.safe_load(render(planned(case)).files["app/llm.yaml"])
    on = {name: b for name, b in told["backends"].items() if b["enabled"]}
    assert {name: b["base_url"] for name, b in on.items()} == case["backends"]
    assert {b.get("model") for name, b in on.items() if name.startswith("ollama")} == {"llama3.2:3b"}
    assert any(name in on for name in told["research_fallback_order"])


@pytest.mark.parametrize(("ports", "door"), [({}, ":8443"), ({"traefik/https": 443}, "")])
def test_links_have_the_port_of_the_door(ports: dict[str, int], door: str) -> None:
    data = {"ports": ports, "options": {"librechat": {"domain": "chat.lan"}, "searxng": {"domain": "find.lan"}}}
    found = planned({"stack": "ai-stack", "role": "cpu", "cards": [], "data": data})
    chat = next(s for s in found.services if s.name == "librechat")
    assert {chat.environment[f"DOMAIN_{side}"] for side in ("CLIENT", "SERVER")} == {f"https://chat.lan{door}"}
    page = render(found).files["glance/glance.yml"].decode()
    assert [f'url: "https://{name}.lan{door}"' in page for name in ("chat", "find")] == [True, True]


def test_the_key_of_a_gateway_is_there_with_the_gateway_alone() -> None:
    found = {name: planned({"stack": name, "role": "cpu", "cards": []}) for name in ("ai-stack", "cognitive-silo")}
    keys = {name: "LITELLM_MASTER_KEY" in {s.name for s in there.secrets} for name, there in found.items()}
    assert keys == {"ai-stack": False, "cognitive-silo": True}


def test_immich_is_told_its_settings() -> None:
    data = {"settings": {"trash": {"days": 7}, "user": {"deleteDelay": 3}}}
    case = {"stack": "ai-stack", "role": "cpu", "cards": [], "data": {"options": {"immich-server": data}}}
    assert json.loads(render(planned(case)).files["immich-server/immich.json"]) == data["settings"]


@pytest.mark.parametrize("stack", Catalog().names("stacks"))
@pytest.mark.parametrize(("how", "said"), [("services", False), ("external", "http://127.0.0.1:9999")])
def test_any_service_may_be_left_out_or_run_elsewhere(stack: str, how: str, said: object) -> None:
    for name in Catalog().stack(stack).services:
        try:
            wanted = want(["all", "cpu"], {"stack": stack, how: {name: said}})
        except Refused:
            continue  # others wait for it, or it speaks no HTTP
        assert render(plan("host", wanted, facts({"stack": stack, "cards": [], "ram": 500_000}))).files
