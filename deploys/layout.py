"""Directories and the file of secrets."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api.operation import operation

from ..schema import Directory, Entry, HostState, Secret
from .observe import Target, forget, observe


@operation()
def directories(target: Target) -> Iterator[str]:
    """Make the directories, owned as the images need them. A link to a directory is followed and left alone."""
    entries = observe(host, target).entries
    commands = [c for d in target.plan.directories if (c := _mend(d, entries.get(d.path)))]
    if not commands:
        host.noop(f"{len(target.plan.directories)} directories")
        return
    yield "set -e\n" + "\n".join(commands)
    forget(host)


def _mend(want: Directory, have: Entry | None) -> str | None:
    """The command that makes ``have`` what is wanted; None: nothing to do."""
    if have is None:
        return f"install -d -m {want.mode} -o {want.uid} -g {want.gid} {want.path}"
    if have.kind != "directory":
        return f"echo '{want.path}: is a {have.kind} file or link, not a directory; move it away or mount what it points to' >&2; exit 1"
    if have.link or want.keep or (have.uid, have.gid, have.mode) == (want.uid, want.gid, want.mode):
        return None
    return f"chown {want.uid}:{want.gid} {want.path} && chmod {want.mode} {want.path}"


# Values are made on the host and never leave it: neither the control machine nor a log ever sees one.
SECRETS = """
set -e
umask 077
file=$(readlink -f {root}/.env)
touch "$file" && chown 0:0 "$file" && chmod 600 "$file"
new="$file.gpufleet-new"
grep -vE '^({names})=$' "$file" >"$new" || true
[ -z "$(tail -c 1 "$new")" ] || echo >>"$new"
{lines}
sync "$new" && mv "$new" "$file"
"""
LINE = """printf '%s=%s%s\\n' {name} '{prefix}' "$(od -An -vtx1 -N{bytes} /dev/urandom | tr -d ' \\n')" >>"$new\""""


@operation()
def secrets(target: Target) -> Iterator[str]:
    """Make the secrets that .env does not have yet; every other line of it stays as it is."""
    missing = _missing(target, observe(host, target))
    if missing is None:
        host.noop(f"{len(target.plan.secrets)} secrets in {target.plan.root}/.env")
        return
    names = "|".join(s.name for s in missing) or "-"
    lines = "\n".join(LINE.format(name=s.name, prefix=s.prefix, bytes=s.bytes) for s in missing)
    yield SECRETS.format(root=target.plan.root, names=names, lines=lines)
    forget(host)


def _missing(target: Target, state: HostState) -> tuple[Secret, ...] | None:
    """The secrets to make, perhaps none where only the mode is wrong; None: nothing to do."""
    missing = tuple(s for s in target.plan.secrets if s.name not in state.env_keys)
    env = state.entries.get(f"{target.plan.root}/.env")
    private = env is not None and (env.mode, env.uid) == ("0600", 0)
    return None if private and not missing else missing
