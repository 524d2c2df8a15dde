"""Accounts that may use the engine without sudo."""

from __future__ import annotations

from pyinfra.context import host

from ..schema import HostState
from .observe import Commands, Target, converging

GROUP = "docker"  # the group that both Docker's and the distributions' packages make


@converging
def operators(target: Target, state: HostState) -> Commands:
    """Put the operators into the engine's group. Nobody is taken out of it: others may have been put in by hand."""
    missing = [name for name in target.plan.operators if GROUP not in state.accounts.get(name, ())]
    if not missing:
        host.noop(f"{len(target.plan.operators)} operators")
        return
    yield "\n".join(f"usermod --append --groups {GROUP} {name}" for name in missing)
