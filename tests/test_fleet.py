"""What hosts of a fleet run, need of each other and give, by their groups alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from gpufleet.errors import Refused
from gpufleet.facts.known import parse_known
from gpufleet.plan import plan, want
from gpufleet.plan.fleet import member
from gpufleet.render import render
from gpufleet.render.ports import ports
from gpufleet.schema import HostFacts, Plan
from tests.conftest import cases

CASES = cases("fleets")


def fleet(hosts: Mapping[str, Mapping[str, Any]], facts: HostFacts) -> dict[str, Plan]:
    """The plan of each host; what is not said of one is that it has an engine, and the address 10.0.0.N."""
    groups = {group for told in hosts.values() for group in told["groups"]}
    wanted = {
        name: want(told["groups"], {"stack": "velesio", **told.get("data", {})}, groups) for name, told in hosts.items()
    }
    at = {name: f"10.0.0.{n}" for n, name in enumerate(hosts, 1)}
    there = {name: member(name, wanted[name], at[name], not told.get("away")) for name, told in hosts.items()}
    found = {}
    for name, told in hosts.items():
        system = facts.system.model_copy(update={"addresses": told.get("addresses", (at[name],))})
        seen = facts.model_copy(update={"system": system, "env_keys": tuple(told.get("has", ()))})
        found[name] = plan(name, wanted[name], seen, at[name], [m for other, m in there.items() if other != name])
    return found


def _told(found: Plan) -> dict[str, Any]:
    compose = {} if found.blocked else yaml.safe_load(render(found).files["compose.yaml"])["services"]
    return {
        "runs": sorted(s.name for s in found.services),
        "shares": {s.service: list(s.hosts) for s in found.fleet.shares},
        "asks": [f"{s.host}/{s.name}" for s in found.fleet.remotes],
        "taken": dict(found.fleet.taken),
        "hub": found.hub_cache,
        "bundle": found.bundle,
        "blocked": [str(f) for f in found.blocked],
        "ports": sorted(p for s in compose.values() for p in s.get("ports", ()) if not p.startswith("127.")),
        "waits": {name: sorted(s["depends_on"]) for name, s in compose.items() if "depends_on" in s},
    }


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_fleet(case: dict[str, Any], hosts: dict[str, HostFacts]) -> None:
    found = {name: _told(told) for name, told in fleet(case["hosts"], hosts["cpu"]).items()}
    for name, told in case["expect"].items():
        assert {key: found[name][key] for key in told} == told


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        (["worker"], "is a worker, and in no group that says which cards it may use; put it in exactly one of"),
        (["head", "cpu", "single_gpu"], "is in the groups cpu and single_gpu"),
        (["all"], "is in no role group"),
    ],
)
def test_a_host_whose_groups_do_not_say_what_it_is(groups: list[str], line: str) -> None:
    with pytest.raises(Refused, match=line):
        want(groups, {"stack": "velesio"}, groups)


def test_who_may_reach_a_shared_port(hosts: dict[str, HostFacts]) -> None:
    case = CASES["a head and two workers"]
    found = fleet(case["hosts"], hosts["cpu"])
    assert "ip daddr 10.0.0.1 tcp dport 6379 ip saddr != { 10.0.0.2, 10.0.0.3 } drop" in ports(found["a"])
    assert not ports(found["b"])
    assert found["a"].provision.packages["nftables"] == ""


def test_each_nginx_stands_before_what_its_own_host_runs(hosts: dict[str, HostFacts]) -> None:
    found = fleet({"a": {"groups": ["head"]}, "b": {"groups": ["monitor"]}}, hosts["cpu"])
    told = {name: render(there).files for name, there in found.items()}
    assert b"set $app http://api$domain:8000;" in told["a"]["nginx/nginx.conf"]
    assert b"set $app http://grafana$domain:3000;" in told["b"]["monitor-nginx/nginx.conf"]
    both = render(fleet({"a": {"groups": ["head", "monitor"]}}, hosts["cpu"])["a"]).files
    assert both["nginx/nginx.conf"] == told["a"]["nginx/nginx.conf"]
    assert both["monitor-nginx/nginx.conf"] == told["b"]["monitor-nginx/nginx.conf"]


def test_a_host_that_does_not_answer_is_what_it_was_last(hosts: dict[str, HostFacts]) -> None:
    """The smaller tier of a worker, which its card's memory decided, as the gateway's last release has it."""
    case = CASES["a gateway and its pool"]["hosts"]
    found = fleet(case, hosts["cpu"])
    last = [s.model_copy(update={"pulled": {"chat": "small:1b"}}) for s in found["a"].fleet.remotes]
    told = json.dumps([s.to_json() for s in last], indent=1).splitlines()
    facts = hosts["cpu"].model_copy(update={"known": parse_known(told)})
    away = {name: {**told, "away": name in ("b", "c")} for name, told in case.items()}
    again = fleet(away, facts)["a"]
    assert [s.pulled for s in again.fleet.remotes] == [{"chat": "small:1b"}] * 2
    assert "FLEET-KNOWN" in {f.id for f in again.findings}
    assert fleet(case, facts)["a"].fleet == found["a"].fleet
    assert parse_known([*told, "}"]) == parse_known(["[{}]"]) == ()
