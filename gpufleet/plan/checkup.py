"""The doctor's judgement: findings from what a host is and from how it is."""

from __future__ import annotations

from collections.abc import Iterable
from time import time

from ..catalog import findings
from ..schema import Finding, Gpus, Health, HostFacts, Plan

# What a run would do, and why not more: nothing wrong.
COMING = ("ENG-INSTALL", "ENG-START", "GPU-DRIVER-INSTALL", "PLAN-TIER")
CLOCK_TOLERANCE = 120  # seconds; tokens and certificates begin to fail at a few minutes


def finding(id_: str, where: str, what: str, severity: str | None = None) -> Finding:
    """A finding of the table, with its evidence."""
    kind = findings()[id_]
    return Finding(id=id_, severity=severity or kind.severity, where=where, what=what, fix=kind.fix)


def gpu_findings(gpus: Gpus, most: str = "blocks") -> Iterable[Finding]:
    """What is wrong with the cards. ``most``: the severity is at most that, where no card is needed."""
    ids = {kind.code: id_ for id_, kind in findings().items() if kind.code}
    for problem in gpus.problems:
        id_ = ids[problem.code]
        severity = "warns" if most == "warns" and findings()[id_].severity == "blocks" else None
        yield finding(id_, f"gpus/{problem.card}" if problem.card else "gpus", problem.evidence, severity)


def checkup(
    plan: Plan, facts: HostFacts, health: Health, drift: tuple[str, ...], now: float | None = None
) -> list[Finding]:
    """Every finding on a host, worst first. ``drift``: why it is not what its plan says; ``now`` in seconds."""
    first = [f for f in plan.findings if f.severity == "blocks" or not (f.id in COMING or findings()[f.id].code)]
    found = [
        *first,
        *gpu_findings(facts.gpus, "warns" if plan.role == "cpu" else "blocks"),
        *(finding(id_, where, what) for id_, said in health.signs.items() for where, what in said),
        *(finding("NET-EXTERNAL", f"external/{e.name}", f"is {e.at}") for e in plan.externals),
        *_unhealthy(plan, facts),
        *_clock(health, now if now is not None else time()),
        *(finding("ENG-DRIFT", "release", reason) for reason in drift),
    ]
    order = {"blocks": 0, "warns": 1, "informs": 2}
    return sorted(dict.fromkeys(found), key=lambda f: order[f.severity])


def _unhealthy(plan: Plan, facts: HostFacts) -> Iterable[Finding]:
    for container in facts.engine.containers:
        if container.project == plan.stack and container.health == "unhealthy":
            yield finding("ENG-UNHEALTHY", container.name, f"{container.state}, {container.health}")


def _clock(health: Health, now: float) -> Iterable[Finding]:
    if health.clock is not None and abs(health.clock - now) > CLOCK_TOLERANCE:
        yield finding("HOST-CLOCK", "host", f"{abs(health.clock - now):.0f} s from the control machine's clock")
