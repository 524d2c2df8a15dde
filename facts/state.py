"""What converging compares with the plan, in one remote command."""

from __future__ import annotations

import re
from typing import Any

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..plan.resolve import LIVE
from ..schema import Entry, HostState
from . import accounts, engine, env, kept, plumbing
from .section import Section, parse, probe

ENTRIES = r"""
IFS='
'
for p in $paths; do
  [ -L "$p" ] && { link=link; echo "0 0 0 0 dangling|$p|link"; } || link=
  stat -L -c "%a %u %g %s %F|%n|$link" "$p"
done
"""

ENTRY = re.compile(
    r"(?P<mode>[0-7]{1,4}) (?P<uid>\d+) (?P<gid>\d+) (?P<size>\d+) (?P<kind>[a-z ]+)"
    r"\|(?P<path>[^|]+)\|(?P<link>(link)?)"
)

LINKS = r"""
for name in current verified; do echo "$name $(readlink "$root/$name")"; done
"""

RELEASE = r"""
cd "$root/releases/$release" || exit 0
find . -type f ! -perm 644 -exec echo 'mode {}' \;
find . -type f -exec sha256sum {} +
"""
LIVE_FILES = RELEASE.replace("releases/$release", LIVE)

# Not `up --dry-run`: it really re-creates containers (docker/compose#14029).
# Of the file that shall be there, so that what it would change is known before it is. What .env lacks has a value of
# its own: only the services that ask for it become others.
HASHES = rf"""{env.HAS}
env="$root/.env"; [ -f "$env" ] || env=/dev/null
lacking=$(echo "$secrets" | while read -r name digest; do has "$name" "$digest" || echo "$name=to-come"; done)
# shellcheck disable=SC2086  # several words
echo "$compose" | base64 -d | env $lacking docker compose --env-file "$env" -f - config --hash '*'
"""

# A container that does not run cannot be asked: nothing of it is done.
STEPS = r"""
[ -n "$steps" ] || exit 0
label=com.docker.compose
echo "$steps" | while IFS='|' read -r service check id; do
  container=$(docker ps -q --filter "label=$label.project=$stack" --filter "label=$label.service=$service" | head -n 1)
  [ -n "$container" ] || continue
  check=$(echo "$check" | base64 -d)
  limit 60 docker exec "$container" sh -c "$check" </dev/null >/dev/null 2>&1 && echo "done $id"
done
"""


def parse_entries(lines: list[str]) -> dict[str, Entry]:
    """``mode uid gid size kind|path|link`` lines, by path; a dangling link has only its first line."""
    found = (match for line in lines if (match := ENTRY.fullmatch(line)))
    return {match["path"]: _entry(match) for match in found}


def _entry(match: re.Match[str]) -> Entry:
    numbers = {name: int(match[name]) for name in ("uid", "gid", "size")}
    octal = f"{int(match['mode'], 8):04o}"
    return Entry(path=match["path"], kind=match["kind"], mode=octal, link=bool(match["link"]), **numbers)


def parse_links(lines: list[str]) -> dict[str, str | None]:
    """Release ids that the links name; None where a link is missing."""
    rows = [line.partition(" ") for line in lines]
    return {name: target.rsplit("/", 1)[-1] or None for name, _, target in rows}


def parse_release(lines: list[str]) -> dict[str, str]:
    """sha256 by path below the release, or below live files; a file with a wrong mode counts as another file."""
    wrong = {line.removeprefix("mode ./") for line in lines if line.startswith("mode ")}
    rows = [line.split("  ./", 1) for line in lines if "  ./" in line]
    return {path: "wrong mode" if path in wrong else digest for digest, path in rows}


def parse_hashes(lines: list[str]) -> dict[str, str]:
    """Compose's config hash by service."""
    return dict(line.split(" ", 1) for line in lines if line.count(" ") == 1)


# What each file is now, and what it was when it was verified: digest, size, time, inode, path.
MODELS = r"""
IFS='
'
cd "$root/models" || exit 0
for p in $models; do stat -L -c 'now %s %.9Y %i %n' "$p"; done
cat .verified
"""

UNIT = r"""
cd /etc/systemd/system || exit 0
name="gpufleet@$stack.service"
[ -L "docker.service.wants/$name" ] || [ -L "multi-user.target.wants/$name" ] || exit 0
sha256sum <gpufleet@.service
"""


# The rules of shared ports: as the file says, in force, and at every boot.
SHARED = r"""
table="gpufleet_$(printf %s "$stack" | tr -c 'A-Za-z0-9' _)"; file="/etc/gpufleet/$stack.nft"
[ -e "$file" ] || exit 0
mark=$(sed -n 's/^ *chain \(v[0-9a-f]*\) {$/\1/p' "$file")
if [ -e "/etc/systemd/system/multi-user.target.wants/gpufleet-ports@$stack.service" ] &&
  nft list chain inet "$table" "$mark" >/dev/null; then sha256sum <"$file"; else echo wrong; fi
"""


def parse_steps(lines: list[str]) -> tuple[str, ...]:
    """Ids of the steps that are complete."""
    return tuple(line.removeprefix("done ") for line in lines if line.startswith("done "))


def parse_models(lines: list[str]) -> dict[str, str]:
    """Digests of the files that are as they were when they were verified, by path below the directory of models.

    >>> parse_models(["now 3 1.0 7 a", "now 3 1.0 8 b", "sha256:0 3 1.0 7 a", "sha256:1 3 1.0 9 b"])
    {'a': 'sha256:0'}
    """
    rows = [row for row in (line.split(" ", 4) for line in lines) if len(row) == 5]
    now = {path: mark for word, *mark, path in rows if word == "now"}
    return {path: digest for digest, *mark, path in rows if digest != "now" and now.get(path) == mark}


def parse_unit(lines: list[str]) -> str | None:
    """sha256 of a file; None where it is not in use."""
    return next((line.split()[0] for line in lines if line.strip()), None)


SECTIONS: list[Section[Any]] = [
    accounts.SECTION,
    Section("unit", UNIT, parse_unit),
    Section("shared", SHARED, parse_unit),
    engine.CONTAINERS_SECTION,
    env.SECTION,
    Section("entries", ENTRIES, parse_entries),
    Section("links", LINKS, parse_links),
    Section("release", RELEASE, parse_release),
    Section("live", LIVE_FILES, parse_release),
    Section("hashes", HASHES, parse_hashes),
    engine.CDI_SECTION,
    Section("done", STEPS, parse_steps),
    Section("models", MODELS, parse_models),
    plumbing.SECTION,
    kept.SECTION,
]


class State(FactBase[HostState | None]):
    """Returns HostState; None when the host did not answer.

    ``paths`` to look at, ``operators``, ``files`` to digest, ``packages`` to look for, ``cards``, ``plain``
    registries, ``kept`` files, ``models`` (files below their directory) and ``secrets`` (as facts/env.py has them)
    are a line each; ``release``: the id of the release whose files are read; ``compose``: its compose file, in
    Base64, which no shell takes for anything else; ``engine``: docker or podman; ``steps`` of ``stack``: service,
    check in Base64, and id, between bars, a line each.
    """

    @override
    def command(
        self,
        engine: str,
        root: str,
        release: str,
        compose: str,
        paths: str,
        operators: str,
        files: str,
        packages: str,
        cards: str,
        stack: str,
        steps: str,
        kept: str,
        models: str,
        secrets: str,
        plain: str,
    ) -> str:
        lists = {"paths": paths, "operators": operators, "files": files, "packages": packages, "cards": cards}
        more = {"stack": stack, "steps": steps, "kept": kept, "models": models, "secrets": secrets}
        more["plain"] = plain
        return probe(SECTIONS, engine=engine, root=root, release=release, compose=compose, **lists, **more)

    @override
    def process(self, output: list[str]) -> HostState:
        found = parse(SECTIONS, output)
        links = found.pop("links")
        return HostState(current=links.get("current"), verified=links.get("verified"), **found)
