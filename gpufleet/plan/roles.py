"""What a host is for, by the groups of the inventory that it is in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import Problem, Refused

ROLES = ("cpu", "single_gpu", "dual_gpu")
OF_A_STACK = ("head", "worker")
STACKS = ("monitor", "cache")  # parts that are stacks of their own, beside the one that is set
PARTS = (*OF_A_STACK, *STACKS)


@dataclass(frozen=True)
class Duty:
    """``role``: how its cards are used; ``parts``: what of a fleet it runs; ``whole``: and all of its own stack."""

    role: str
    parts: tuple[str, ...] = ()
    whole: bool = True


def duty(groups: Iterable[str]) -> Duty:
    """Raises Refused."""
    there = {*groups}  # a connector lists its groups twice
    roles, parts = [r for r in sorted(ROLES) if r in there], tuple(p for p in PARTS if p in there)
    whole = not {*OF_A_STACK} & {*parts}
    if len(roles) == 1:
        return Duty(roles[0], parts, whole)
    if not roles and parts and "worker" not in parts:
        return Duty("cpu", parts, whole=False)
    found = f"is in the groups {' and '.join(roles)}" if roles else "is in no role group"
    if parts and not roles:
        found = "is a worker, and in no group that says which cards it may use"
    raise Refused(Problem("inventory", f"the host {found}", f"put it in exactly one of: {', '.join(ROLES)}"))
