"""Which services of a stack a host does not run, and why: what its user says, its tier, its role and its mode."""

from __future__ import annotations

from collections.abc import Mapping

from ..schema import Settings, Stack, StackService
from .roles import OF_A_STACK, PARTS, ROLES, Duty


def unwanted(stack: Stack, tier: str | None, settings: Settings) -> dict[str, str]:
    """Why not, by service. What the user says of one goes before the tier, and before what the stack says."""
    asked = _asked(stack, settings)
    found = {key: "" if key in asked else _unwanted(key, stack, tier) for key in stack.services}
    off = [key for key, said in settings.services.items() if not said and key not in settings.external]
    found |= dict.fromkeys(off, "`services` leaves it out")
    return {key: why for key, why in found.items() if why}


def elsewhere(stack: Stack, role: str, mode: str | None) -> dict[str, str]:
    """Why not, by service: those of other roles and modes."""
    found = {key: _elsewhere(entry, role, mode) for key, entry in stack.services.items()}
    return {key: why for key, why in found.items() if why}


def on_others(stack: Stack, doing: Duty, origins: Mapping[str, str]) -> dict[str, str]:
    """Why not, by service: those that hosts of other groups run; ``origins``: of those of other stacks which one."""
    found = {key: _on_others(entry, doing, key in origins) for key, entry in stack.services.items()}
    return {key: why for key, why in found.items() if why}


def _on_others(entry: StackService, doing: Duty, of_another: bool) -> str:
    parts = [name for name in entry.roles if name in PARTS]
    if entry.fleet and doing.whole:
        return "all of the stack is on this host"
    if parts and (of_another or not doing.whole) and not {*parts} & {*doing.parts}:
        return f"it runs in the group {' and '.join(parts)}"
    if not parts and not of_another and not doing.whole and not {*OF_A_STACK} & {*doing.parts}:
        return f"the host is in the group {' and '.join(doing.parts)} alone"
    return ""


def _asked(stack: Stack, settings: Settings) -> set[str]:
    """The services that the user asks for, and what they wait for; one that runs already waits for nothing."""
    found, more = {*settings.external}, [key for key, said in settings.services.items() if said]
    while more:
        if (key := more.pop()) not in found:
            found.add(key)
            more += [name for name in stack.services[key].depends_on if name in stack.services]
    return found


def _unwanted(key: str, stack: Stack, tier: str | None) -> str:
    run_it = f"services = {{'{key}': True}} runs it"
    if tier and key in stack.tiers[tier].without:
        having = [name for name, told in stack.tiers.items() if key not in told.without]
        others = f", unlike {' and '.join(having)}" if having else ""
        return f"the tier {tier} leaves it out{others}; {run_it} all the same"
    return f"it is optional; {run_it}" if stack.services[key].optional else ""


def _elsewhere(entry: StackService, role: str, mode: str | None) -> str:
    roles = [name for name in entry.roles if name in ROLES]
    if roles and role not in roles:
        return f"the role {role} leaves it out, unlike {' and '.join(roles)}"
    if role == "dual_gpu" and entry.modes and mode not in entry.modes:
        return f"the mode {mode} leaves it out, unlike {' and '.join(entry.modes)}"
    return ""
