"""Accounts that may use the engine without sudo."""

from __future__ import annotations

from pyinfra.context import host

from ..plan.drift import GROUP, missing_operators
from ..schema import HostState
from .observe import Commands, Target, converging


@converging
def operators(target: Target, state: HostState) -> Commands:
    """Put the operators into the engine's group. Nobody is taken out of it: others may have been put in by hand."""
    missing = missing_operators(target.plan, state)
    if not missing:
        host.noop(f"{len(target.plan.operators)} operators")
        return
    yield "\n".join(f"usermod --append --groups {GROUP} {name}" for name in missing)
