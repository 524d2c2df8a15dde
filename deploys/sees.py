"""Proof that containers see the cards that were planned for them: some engines start one without, and say nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api.host import Host

from ..schema import Plan
from .gate import Closed
from .observe import ran, spoken
from .script import script


def unseen(host: Host, plan: Plan) -> list[Closed]:
    """Services that see other cards than theirs, or none."""
    wanted = {s.name: set(s.access.nodes) for s in plan.services if s.access.nodes}
    if not wanted:
        return []
    command = spoken(plan, script("sees", stack=plan.stack, services=" ".join(wanted)))
    _, output = ran(host, command)
    rows = (line.split() for line in output.stdout_lines)
    return list(_wrong(wanted, {row[0]: set(row[1:]) for row in rows if row}))


def _wrong(wanted: dict[str, set[str]], seen: dict[str, set[str]]) -> Iterator[Closed]:
    for name, nodes in wanted.items():
        have = seen.get(name, set())
        if have != nodes:
            what = f"sees {' '.join(sorted(have)) or 'no card'} instead of {' '.join(sorted(nodes))}"
            fix = "look at the engine's CDI devices with `docker info`; its last lines follow"
            yield Closed(name, f"services/{name}: {what}; {fix}")
