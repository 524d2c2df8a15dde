"""(plan, facts, state, what differs) -> HostForecast: what a run would do, from what the run itself decides by."""

from __future__ import annotations

from collections.abc import Iterable

from ..schema import Download, Fetch, HostFacts, HostForecast, HostState, Made, PlacedService, Plan, PlannedBuild
from ..schema.forecast import Change, Outlook
from .drift import Rendered, container_changes, missing_models, missing_steps
from .fetch import left, missing


def untouched(plan: Plan, facts: HostFacts) -> HostForecast:
    """The forecast of a host that a run would refuse: where all would run, and what speaks against it."""
    return HostForecast(
        state="blocked",
        role=plan.role,
        stack=plan.stack,
        tier=plan.tier,
        root=plan.root,
        cards=facts.gpus.cards,
        ledgers=plan.ledgers,
        services=tuple(_services(plan)),
        externals=plan.externals,
        left_out=plan.left_out,
        findings=plan.findings,
    )


def forecast(
    plan: Plan, facts: HostFacts, release: Rendered, state: HostState, changes: Iterable[Change]
) -> HostForecast:
    """The forecast of a host on which ``changes`` are all that a run would mend."""
    base = untouched(plan, facts)
    if plan.blocked:
        return base
    if why := plan.provision.pending:
        now = (*(c for c in changes if c.kind == "packages"), Change(kind="reboot", what=why))
        return base.model_copy(update={"state": "waits", "changes": now})
    changes = tuple(changes)
    outlook: Outlook = "changes" if changes else "same"
    told = {
        "release": release.id,
        "current": state.current,
        "containers": container_changes(plan, release, state),
        "downloads": tuple(_fetches(plan, facts, state)),
        "images": missing(plan.pulls, facts.engine.images),
        "builds": tuple(_made(b) for b in missing(_builds(plan, state), facts.engine.images)),
    }
    return base.model_copy(update={"state": outlook, "changes": changes, **told})


def _builds(plan: Plan, state: HostState) -> tuple[PlannedBuild, ...]:
    """The program that fetches models is made when there are any to fetch."""
    return (*plan.builds, *([plan.fetcher] if plan.fetcher and missing_models(plan, state) else []))


def _made(build: PlannedBuild) -> Made:
    return Made(image=build.image, source=build.source, bytes=build.bytes, services=build.services)


def _services(plan: Plan) -> Iterable[PlacedService]:
    urls = dict(plan.urls)
    for s in plan.services:
        yield PlacedService(
            name=s.name,
            image=s.image,
            models=s.models,
            unloads=s.unloads,
            accelerator=s.accelerator,
            devices=s.devices,
            reason=s.reason,
            publish=s.publish,
            publish_more=tuple(s.publish_more),
            url=urls.get(s.name),
            depends_on=s.depends_on,
            memory_mib=s.memory_mib,
        )


def _fetches(plan: Plan, facts: HostFacts, state: HostState) -> Iterable[Fetch]:
    files: dict[str, list[Download]] = {}
    for d in missing_models(plan, state):
        files.setdefault(d.label, []).append(d)
    for label, parts in files.items():
        yield Fetch(path=label, bytes=sum(d.bytes for d in parts), left=sum(left(d, facts.present) for d in parts))
    by_programs = {step.model: step.bytes for step in missing_steps(plan, state) if step.model}
    run = {c.service for c in state.containers if c.project == plan.stack}
    # A program that fetches at its start, by no step of ours: whether it has is known once it runs.
    alone = (s for s in plan.services if s.pulled_bytes and s.name not in run and not any(p.model for p in s.steps))
    by_programs |= {", ".join(s.pulled.values()): s.pulled_bytes for s in alone}
    yield from (Fetch(path=name, bytes=size, left=size) for name, size in by_programs.items())
