"""What lies below data_root/data and data_root/models, and how large it is."""

from __future__ import annotations

import re
from typing import Any

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..schema import ModelStore
from .section import Section, parse, probe
from .state import MODELS, parse_models

# The fetcher's own; what is in the second directory are parts of downloads.
OURS = {f"models/{name}" for name in (".verified", ".verified.new", ".incoming", ".incoming/.lock")}
LINE = re.compile(r"(\d+)\t(.+)")


def _each(folders: str, act: str) -> str:
    """Shell that does ``act`` with all that is in ``folders``, and deeper with what is set aside, and with blobs of a
    library that no manifest of it names. They may be links."""
    return f"""
cd "$root" || exit 0
find -H {folders} models/.incoming -mindepth 1 -maxdepth 1 {act}
find -H models -xdev -mindepth 2 -name '*.set-aside' {act}
for manifests in models/*/manifests models/*/*/manifests; do
  [ -d "$manifests" ] || continue
  named=$(grep -rhoE 'sha256:[0-9a-f]{{64}}' "$manifests")
  for blob in "${{manifests%/*}}"/blobs/sha256-*; do
    case "$named" in *"${{blob##*/sha256-}}"*) continue ;; esac
    find "$blob" {act}
  done
done
"""


# KiB; a link counts as itself: what it points to is not ours to delete. A file of two names counts with each.
SIZES = "-exec du -sklx {} +"
KINDS = r"-printf '%y %p\n'"
# Of every file that was ever found right.
NOTED = f"""
models=$(cut -d ' ' -f 5- "$root/models/.verified")
{MODELS}"""
# The same bytes under two names take room once.
TAKEN = 'du -skxD "$root/models"'


def sizes(lines: list[str]) -> dict[str, int]:
    """Bytes by path below data_root; ``KIB PATH`` lines, with a tab between."""
    found = (m for line in lines if (m := LINE.fullmatch(line)))
    return {m[2]: int(m[1]) * 1024 for m in found if m[2] not in OURS}


def kinds(lines: list[str]) -> dict[str, str]:
    """What each path is, as ``find`` names it; ``LETTER PATH`` lines."""
    return {path: kind for kind, _, path in (line.partition(" ") for line in lines) if path}


def noted(lines: list[str]) -> dict[str, str]:
    """Digests by path below the directory of models; empty of what is no longer as it was noted.

    >>> noted(["now 3 1.0 7 a b", "now 3 1.0 8 c", "sha256:0 3 1.0 7 a b", "sha256:1 3 1.0 9 c"])
    {'a b': 'sha256:0', 'c': ''}
    """
    right = parse_models(lines)
    rows = [row for row in (line.split(" ", 4) for line in lines) if len(row) == 5]
    return {row[4]: right.get(row[4], "") for row in rows if row[0] != "now"}


def taken(lines: list[str]) -> int:
    """Bytes of one ``KIB PATH`` line; 0 of none."""
    return sum(int(m[1]) * 1024 for line in lines if (m := LINE.fullmatch(line)))


# Asked by plan(), where there is a limit: all of it, and each.
HELD = Section(
    "stored", f'[ -n "$quota" ] || exit 0\ncd "$root" || exit 0\ndu -skxD models\n{_each("models", SIZES)}', sizes
)
SECTIONS = [Section("stored", _each("data models", SIZES), sizes)]
STORE: list[Section[Any]] = [
    Section("sizes", _each("models", SIZES), sizes),
    Section("kinds", _each("models", KINDS), kinds),
    Section("noted", NOTED, noted),
    Section("bytes", TAKEN, taken),
]


class Stored(FactBase[dict[str, int]]):
    """Returns bytes by path: ``{"data/redis": 4096}``."""

    @override
    def command(self, root: str = "/srv/gpufleet") -> str:
        return probe(SECTIONS, root=root)

    @override
    def process(self, output: list[str]) -> dict[str, int]:
        return dict(parse(SECTIONS, output)["stored"])


class Models(FactBase[ModelStore | None]):
    """Returns ModelStore; None when the host did not answer."""

    @override
    def command(self, root: str = "/srv/gpufleet") -> str:
        return probe(STORE, root=root)

    @override
    def process(self, output: list[str]) -> ModelStore:
        return ModelStore(**parse(STORE, output))
