"""Steps: what a service needs done once in its running container, such as a model that it fetches by itself."""

from __future__ import annotations

from pyinfra.context import host

from ..plan.drift import missing_steps
from ..schema import HostState
from .observe import Commands, Shown, Target, converging, spoken
from .script import alone, script


@converging
def done(target: Target, state: HostState) -> Commands:
    """Do the steps that do not say that they are complete."""
    plan, missing = target.plan, missing_steps(target.plan, state)
    if not missing:
        host.noop(f"{len(plan.steps)} steps")
        return
    here = {"root": plan.root, "id": target.release.id, "deadline": plan.health_deadline, "outdated": ""}
    functions = alone(plan.root) + script("stack", **here)
    for step in missing:
        told = step.model_dump(include={"service", "check", "run", "measure", "deadline", "bytes"})
        command = functions + script("step", step=step.name, **told)
        yield Shown(spoken(plan, command)) if step.measure else command
