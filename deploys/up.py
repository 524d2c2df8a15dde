"""Bring the containers to the release: build, pull, switch, up, gates, and back again when a gate fails."""

from __future__ import annotations

from graphlib import TopologicalSorter

from pyinfra.api.command import FunctionCommand
from pyinfra.api.state import StateStage
from pyinfra.context import host

from ..errors import Problem, Refused
from ..plan.drift import drift, outdated
from ..plan.kept import unset
from ..schema import HostState, PlannedBuild
from . import rollout
from .drain import admit, drain
from .gate import Closed, closed
from .kept import written
from .observe import Commands, Target, converging
from .script import alone, script
from .sees import unseen


def built(build: PlannedBuild, root: str, id: str) -> str:
    """The script that builds an image where it is not there."""
    args = "\n".join(f"{name}={value}" for name, value in build.args.items())
    told = build.model_dump(include={"image", "source", "url", "folder", "dockerfile", "target", "deadline"})
    return alone(root) + script("build", root=root, id=id, args=args, **told)


@converging
def running(target: Target, state: HostState, turn: str) -> Commands:
    """Bring the containers to the release, if it is its ``turn`` and anything differs, and prove that they answer."""
    if not rollout.due(host, turn):
        host.noop("another turn")
        return
    if not drift(target.plan, target.release, state):
        host.noop(f"{len(target.plan.services)} services run as release {target.release.id}")
        return
    if host.state.current_stage == StateStage.Execute and (failed := rollout.begin(host)):
        what = f"stopped at {failed}, which did not come up; this host is as it was"
        raise Refused(Problem("rollout", what, f"mend {failed}, and run again"))
    plan, shut = target.plan, list[Closed]()
    lacking = unset(plan, target.release, state.kept)
    # What others depend on comes first.
    order = TopologicalSorter({s.name: s.depends_on for s in plan.services}).static_order()
    changed = " ".join(name for name in order if name in (*outdated(plan, state), *lacking))
    here = {"root": plan.root, "id": target.release.id}
    told = {**here, "live": "\n".join(plan.live), "outdated": changed, "deadline": plan.health_deadline}
    functions = alone(plan.root) + script("stack", **told)
    for build in plan.builds:
        yield built(build, plan.root, target.release.id)
    yield alone(plan.root) + script("pull", **here)
    yield FunctionCommand(lambda state, host: drain(host, plan, changed.split()), (), {})
    yield from written(target, tuple(lacking), functions)
    yield functions + script("up")
    yield FunctionCommand(lambda state, host: shut.extend([*unseen(host, plan), *closed(host, plan)]), (), {})
    if shut:
        complaints = "\n".join(c.complaint for c in shut)
        yield functions + script("back", complaints=complaints, closed=" ".join(c.service for c in shut))
    yield FunctionCommand(lambda state, host: admit(host), (), {})
    yield functions + script("done", keep=plan.keep_releases)
