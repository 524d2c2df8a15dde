"""What no service has any more."""

from __future__ import annotations

from gpufleet.plan.unused import refusals, unused
from gpufleet.schema import HostFacts
from tests.conftest import planned


def test_only_what_the_plan_does_not_have_is_unused(hosts: dict[str, HostFacts]) -> None:
    plan = planned(hosts["cpu"])
    (model,) = (d.path.removeprefix(f"{plan.root}/") for d in plan.downloads)
    stored = {"data/redis": 1, "data/redis-old": 2, "data/mongo": 3, model: 4, f"{model}.old": 3}
    left = unused(plan, stored)
    assert [*left] == ["data/mongo", f"{model}.old", "data/redis-old"]
    assert refusals([*left], left, stored) == []
    assert [str(p) for p in refusals(["data/redis", "data/mong"], left, stored)] == [
        "delete/data/redis: a service of the plan has it; leave it out",
        "delete/data/mong: is not there; did you mean 'data/mongo'?",
    ]


def test_a_part_is_unused_once_no_download_is_to_get_it(hosts: dict[str, HostFacts]) -> None:
    plan = planned(hosts["cpu"])
    (part,) = (d.part.removeprefix(f"{plan.root}/") for d in plan.downloads)
    (model,) = (d.path.removeprefix(f"{plan.root}/") for d in plan.downloads)
    stored = {part: 1, f"{part}.xet": 2, "models/.incoming/00": 3, f"{model}.set-aside": 4}
    assert [*unused(plan, stored)] == [f"{model}.set-aside", "models/.incoming/00"]
