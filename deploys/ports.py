"""Shared ports: only the hosts that need them reach them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from pyinfra.context import host

from ..render.ports import name, ports
from ..schema import HostState, Plan
from .observe import Commands, Target, converging
from .script import script

_UNIT = Path(__file__).parent / "scripts" / "gpufleet-ports@.service"


def right(plan: Plan, state: HostState) -> bool:
    """Whether just these rules are in force, and will be after a reboot."""
    rules = ports(plan)
    return state.shared == (sha256(rules.encode()).hexdigest() if rules else None)


@converging
def filtered(target: Target, state: HostState) -> Commands:
    """Put the rules in force, or take them away where nothing is shared any more."""
    plan = target.plan
    if right(plan, state):
        host.noop(f"{len(plan.fleet.shares)} shared ports")
        return
    told = {
        "rules": ports(plan),
        "stack": plan.stack,
        "table": name(plan.stack),
        "unit": _UNIT.read_text(encoding="utf-8"),
    }
    yield script("ports", **told)
