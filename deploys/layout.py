"""Directories and the file of secrets."""

from __future__ import annotations

from pyinfra.context import host

from ..schema import Directory, Entry, HostState, Secret
from .observe import Commands, Target, converging
from .script import script


@converging
def directories(target: Target, state: HostState) -> Commands:
    """Make the directories, owned as the images need them. A link to a directory is followed and left alone."""
    entries = state.entries
    commands = [c for d in target.plan.directories if (c := _mend(d, entries.get(d.path)))]
    if not commands:
        host.noop(f"{len(target.plan.directories)} directories")
        return
    yield "set -e\n" + "\n".join(commands)


def _mend(want: Directory, have: Entry | None) -> str | None:
    """The command that makes ``have`` what is wanted; None: nothing to do."""
    if have is None:
        return f"install -d -m {want.mode} -o {want.uid} -g {want.gid} {want.path}"
    if have.kind != "directory":
        problem = f"{want.path}: is not a directory ({have.kind}); move it away, or mount what it points to"
        return f"echo '{problem}' >&2; exit 1"
    if have.link or want.keep or (have.uid, have.gid, have.mode) == (want.uid, want.gid, want.mode):
        return None
    return f"chown {want.uid}:{want.gid} {want.path} && chmod {want.mode} {want.path}"


@converging
def secrets(target: Target, state: HostState) -> Commands:
    """Make the secrets that .env does not have yet; every other line of it stays as it is."""
    missing = _missing(target, state)
    if missing is None:
        host.noop(f"{len(target.plan.secrets)} secrets in {target.plan.root}/.env")
        return
    wanted = "\n".join(f"{s.name} -{s.prefix} {s.bytes}" for s in missing)
    yield script("secrets", root=target.plan.root, wanted=wanted)


def _missing(target: Target, state: HostState) -> tuple[Secret, ...] | None:
    """The secrets to make, perhaps none where only the mode is wrong; None: nothing to do."""
    missing = tuple(s for s in target.plan.secrets if s.name not in state.env_keys)
    env = state.entries.get(target.env)
    private = env is not None and (env.mode, env.uid) == ("0600", 0)
    return None if private and not missing else missing
