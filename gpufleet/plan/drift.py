"""Drift: what of a host is not as its plan says. What a run changes and what the doctor tells are the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Protocol

from ..errors import Problem
from ..schema import (
    Change,
    Container,
    ContainerChange,
    Directory,
    Download,
    HostState,
    Plan,
    PlannedStep,
    Plumbing,
    Provision,
    Secret,
    Source,
)
from ..schema.forecast import Kind
from .amd import KIND
from .kept import unset

GROUP = "docker"  # of those who may use the engine: both Docker's and the distributions' packages make it


class Rendered(Protocol):
    """A release, as far as drift is concerned."""

    @property
    def id(self) -> str: ...

    @property
    def digests(self) -> Mapping[str, str]: ...

    @property
    def files(self) -> Mapping[str, bytes]: ...


def differences(plan: Plan, release: Rendered, state: HostState) -> Iterator[Change]:
    """Everything that a run would mend."""
    below = plan.provision
    yield from _changes("packages", (f"{s.file}: is not as planned" for s in missing_sources(below, state.plumbing)))
    wrong = (f"package {name}: is not as planned" for name in missing_packages(below, state.plumbing))
    yield from _changes("packages", wrong)
    yield from _changes("cdi", (f"{device}: is in no CDI specification" for device in missing_devices(below, state)))
    outside = (f"{name}: is not in the group {GROUP}" for name in missing_operators(plan, state))
    yield from _changes("operators", outside)
    places = (f"{d.path}: {_unlike(d, state)}" for d in wrong_directories(plan, state))
    yield from _changes("directories", places)
    secrets = missing_secrets(plan, state)
    if secrets is not None:
        made = ", ".join(s.name for s in secrets if s.name not in plan.given)
        given = [f"{s.name} is not the one given" for s in secrets if s.name in plan.given]
        what = [*([f"has no {made}"] if made else []), *given] or ["is not root's alone"]
        yield from _changes("secrets", (f"{plan.env}: {line}" for line in what))
    lacking = dict.fromkeys(d.label for d in missing_models(plan, state))
    yield from _changes("models", (f"{label}: is not there whole" for label in lacking))
    if not state.release:
        yield Change(kind="release", what=f"release {release.id} is not there")
    else:
        yield from _changes("release", (f"{path}: is not as it was written" for path in altered(release, state)))
    yield from _changes("run", drift(plan, release, state))
    yield from _changes("run", (f"{name}: has read files that were changed" for name in stale(plan, release, state)))
    yield from _changes("steps", (f"{step.service}: {step.name} is not done" for step in missing_steps(plan, state)))


def _changes(kind: Kind, lines: Iterable[str]) -> Iterator[Change]:
    return (Change(kind=kind, what=line) for line in lines)


def missing_devices(wanted: Provision, state: HostState) -> tuple[str, ...]:
    """CDI devices of planned cards that no specification has."""
    return tuple(device for device in cdi_devices(wanted) if device not in state.cdi)


def cdi_devices(wanted: Provision) -> tuple[str, ...]:
    """CDI devices of planned cards."""
    nvidia = wanted.cards if wanted.route == "cdi" else ()
    return (*(f"nvidia.com/gpu={card}" for card in nvidia), *(f"{KIND}={card}" for card in wanted.amd_cards))


def missing_operators(plan: Plan, state: HostState) -> tuple[str, ...]:
    return tuple(name for name in plan.operators if GROUP not in state.accounts.get(name, ()))


def wrong_directories(plan: Plan, state: HostState) -> tuple[Directory, ...]:
    """Those that are missing, or not owned as the images need them. A link to a directory is right as it is."""
    return tuple(d for d in plan.directories if _wrong(d, state))


def in_the_way(plan: Plan, state: HostState) -> tuple[Problem, ...]:
    """What is where a directory shall be."""
    fix = "move it away, or mount what it points to"
    there = ((d.path, state.entries[d.path].kind) for d in plan.directories if d.path in state.entries)
    return tuple(Problem(path, f"is not a directory ({kind})", fix) for path, kind in there if kind != "directory")


def _unlike(want: Directory, state: HostState) -> str:
    there = want.path in state.entries
    return f"is not a directory of {want.uid}:{want.gid}, {want.mode}" if there else "is not there"


def _wrong(want: Directory, state: HostState) -> bool:
    have = state.entries.get(want.path)
    if have is None or have.kind != "directory":
        return True
    return not (have.link or want.keep or (have.uid, have.gid, have.mode) == (want.uid, want.gid, want.mode))


def missing_sources(wanted: Provision, have: Plumbing) -> tuple[Source, ...]:
    """Repositories whose file is not as planned, or whose key is not there: it is checked when it is fetched."""
    return tuple(s for s in wanted.sources if s.key_file not in have.digests or altered_files(s.files, have))


def altered_files(files: Mapping[str, str], have: Plumbing) -> tuple[str, ...]:
    """Paths of text files that are not there as they should be."""
    return tuple(p for p, text in files.items() if have.digests.get(p) != sha256(text.encode()).hexdigest())


def missing_packages(wanted: Provision, have: Plumbing) -> dict[str, str]:
    """Packages that are not installed, or in another version than the wanted, or may be upgraded and must not."""
    installed = have.packages
    wrong = {n: v for n, v in wanted.packages.items() if not fnmatchcase(installed.get(n, ""), v or "?*")}
    return wrong | {n: wanted.packages[n] for n in wanted.hold if n not in have.held}


def missing_secrets(plan: Plan, state: HostState) -> tuple[Secret, ...] | None:
    """The secrets to make, perhaps none where only the mode of .env is wrong; None: nothing to do."""
    missing = tuple(s for s in plan.secrets if s.name not in state.env_keys)
    env = state.entries.get(plan.env)
    private = env is not None and (env.mode, env.uid) == ("0600", 0)
    return None if private and not missing else missing


def missing_models(plan: Plan, state: HostState) -> tuple[Download, ...]:
    """Those that are not as they were when they were verified, with these bytes."""
    return tuple(d for d in plan.downloads if state.models.get(plan.below_models(d.path)) != d.digest)


def missing_steps(plan: Plan, state: HostState) -> tuple[PlannedStep, ...]:
    """What is not done in its container, or cannot be asked for as that does not run."""
    return tuple(step for step in plan.steps if step.id not in state.done)


def altered(release: Rendered, state: HostState) -> tuple[str, ...]:
    """Paths of the release's files that are not as they should be, or should not be there."""
    return _unlike_files(state.release, release.digests)


def _unlike_files(have: Mapping[str, str], want: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(path for path in have.keys() | want.keys() if have.get(path) != want.get(path)))


def unlike_live(plan: Plan, release: Rendered, state: HostState) -> tuple[str, ...]:
    """Paths of live files that are not as planned, or no service's any more."""
    return _unlike_files(state.live, {path: release.digests[path] for path in plan.live})


def drift(plan: Plan, release: Rendered, state: HostState) -> tuple[str, ...]:
    """Why the containers are not the plan's; nothing: they run, and have passed their gates."""
    reasons = [
        f"{link} is {have or 'not set'}, not {release.id}"
        for link, have in (("current", state.current), ("verified", state.verified))
        if have != release.id
    ]
    mine = {c.service: c for c in state.containers if c.project == plan.stack}
    for service in plan.services:
        reason = _differs(mine.get(service.name), state.hashes.get(service.name))
        reasons += [f"{service.name}: {reason}"] if reason else []
    reasons += [what for told in unset(plan, release, state.kept).values() for what in told]
    reasons += [f"{path}: is not as planned where it is read" for path in unlike_live(plan, release, state)]
    names = {s.name for s in plan.services}
    return (*reasons, *(f"{name}: is no longer part of the stack" for name in sorted(mine.keys() - names)))


def outdated(plan: Plan, state: HostState) -> tuple[str, ...]:
    """Services that have a container, with another configuration than the wanted one."""
    have = {c.service: c.config_hash for c in state.containers if c.project == plan.stack}
    return tuple(s.name for s in plan.services if s.name in have and have[s.name] != state.hashes.get(s.name))


def stale(plan: Plan, release: Rendered, state: HostState) -> tuple[str, ...]:
    """Services that have read a file of this release as somebody changed it: they have to read the right one again."""
    wrong = altered(release, state) if state.release else ()
    return tuple(sorted({o.service for o in plan.outputs if o.path in wrong and not o.live}))


def container_changes(plan: Plan, release: Rendered, state: HostState) -> tuple[ContainerChange, ...]:
    """What a run would do to containers."""
    mine = {c.service: c for c in state.containers if c.project == plan.stack}
    changed, reread = outdated(plan, state), stale(plan, release, state)
    lacking = unset(plan, release, state.kept)
    found = []
    for s in plan.services:
        have = mine.get(s.name)
        if have is None:
            found.append(ContainerChange(service=s.name, action="create", why="has no container"))
        elif s.name in changed:
            found.append(ContainerChange(service=s.name, action="recreate", why="runs with another configuration"))
        elif s.name in reread:
            found.append(ContainerChange(service=s.name, action="recreate", why="has read files that were changed"))
        elif s.name in lacking:
            found.append(ContainerChange(service=s.name, action="recreate", why="its kept file is not as planned"))
        elif have.state != "running":
            found.append(ContainerChange(service=s.name, action="start", why=f"is {have.state}"))
    gone = sorted(mine.keys() - {s.name for s in plan.services})
    why = "is no longer part of the stack"
    return (*found, *(ContainerChange(service=name, action="remove", why=why) for name in gone))


def _differs(container: Container | None, wanted_hash: str | None) -> str | None:
    if container is None:
        return "has no container"
    if container.config_hash != wanted_hash:
        return "runs with another configuration"
    if container.state != "running":
        return f"is {container.state}"
    return None if container.health in ("healthy", "none") else f"is {container.health}"
