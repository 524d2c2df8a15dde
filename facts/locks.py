"""Packages that stay as they are: the lists of dnf's versionlock, of its two generations, and zypper's."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase

# NAME, NAME-[EPOCH:]VERSION-RELEASE; all of them may have wildcards.
_EXACT = re.compile(r"-(\d+:)?[^-]+-[^-]+$")


def held(rows: Iterable[str], installed: Mapping[str, str]) -> tuple[str, ...]:
    """Names of ``installed`` packages that no upgrade touches; ``rows``: a file below /etc, and one of its lines."""
    found: dict[str, list[str]] = {}
    for file, _, line in (row.partition(" ") for row in rows):
        found.setdefault(file, []).append(line)
    patterns = [p for file, read in _READ.items() for p in read(found.get(file, []))]
    return tuple(name for name in installed if any(fnmatchcase(name, p) for p in patterns))


def _dnf4(lines: list[str]) -> list[str]:
    """An entry that begins with an exclamation mark excludes a version, and keeps nothing.

    >>> _dnf4(["# Added lock on Friday", "docker-ce-3:29.7.2-1.el9.*", "!git-0:2.1-1.*", "kernel*"])
    ['docker-ce', 'kernel*']
    """
    return [_EXACT.sub("", line) for line in lines if line and line[0] not in "#!"]


def _dnf5(lines: list[str]) -> list[str]:
    with suppress(tomllib.TOMLDecodeError, AttributeError, TypeError, KeyError):
        return [p["name"] for p in tomllib.loads("\n".join(lines))["packages"] if _keeps(p)]
    return []


def _keeps(package: Mapping[str, list[Mapping[str, str]]]) -> bool:
    return all(condition.get("comparator") != "!=" for condition in package.get("conditions", []))


def _zypper(lines: list[str]) -> list[str]:
    return [name.strip() for key, _, name in (line.partition(":") for line in lines) if key == "solvable_name"]


_READ: Mapping[str, Callable[[list[str]], list[str]]] = {
    "dnf/plugins/versionlock.list": _dnf4,
    "dnf/versionlock.toml": _dnf5,
    "zypp/locks": _zypper,
}
