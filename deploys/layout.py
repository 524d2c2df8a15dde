"""Directories and the file of secrets."""

from __future__ import annotations

from pyinfra.context import host

from ..errors import Refused
from ..plan.drift import in_the_way, missing_secrets, wrong_directories
from ..schema import Directory, Entry, HostState, Plan, Secret
from .observe import Commands, Target, converging
from .script import script


@converging
def directories(target: Target, state: HostState) -> Commands:
    """Make the directories, owned as the images need them. A link to a directory is followed and left alone."""
    wrong = wrong_directories(target.plan, state)
    if not wrong:
        host.noop(f"{len(target.plan.directories)} directories")
        return
    if against := in_the_way(target.plan, state):
        raise Refused(*against)
    yield "set -e\n" + "\n".join(_mend(d, state.entries.get(d.path)) for d in wrong)


def _mend(want: Directory, have: Entry | None) -> str:
    """The command that makes ``have`` what is wanted."""
    if have is None:
        return f"install -d -m {want.mode} -o {want.uid} -g {want.gid} {want.path}"
    return f"chown {want.uid}:{want.gid} {want.path} && chmod {want.mode} {want.path}"


@converging
def secrets(target: Target, state: HostState) -> Commands:
    """Make the secrets that .env does not have yet, and set those that are given, by standard input.

    Every other line of it stays as it is.
    """
    missing = missing_secrets(target.plan, state)
    if missing is None:
        host.noop(f"{len(target.plan.secrets)} secrets in {target.plan.env}")
        return
    made = "\n".join(_made(s, target.plan) for s in missing if s.name not in target.given)
    given = " ".join(s.name for s in missing if s.name in target.given)
    yield script("secrets", root=target.plan.root, wanted=made, given=given)


def _made(secret: Secret, plan: Plan) -> str:
    users = [s.name for s in plan.services if s.asks_for(secret.name)]
    return f"{secret.name} -{secret.prefix} {secret.bytes} {', '.join(users)}"
