"""Sections: pieces of one probe, each printed under its own ``@@ name`` line and parsed by its own function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any, ClassVar, Generic, TypeVar

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase
from typing_extensions import override

T = TypeVar("T")

# Tools live in places that a non-interactive SSH session does not search. R moves every path below a fake root, for
# replaying captures. Sections put a word before every line that a tool prints, so that none looks like our own `@@`.
PRELUDE = """
LC_ALL=C; export LC_ALL; PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/lib/wsl/lib"; R="${GPUFLEET_ROOT-}"
limit() { if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }
"""
# Docker's CLI and Compose speak to Podman too, where ``engine`` says so.
ENGINE = '[ "${engine-}" != podman ] || export DOCKER_HOST=unix:///run/podman/podman.sock\n'
END = "@@ end"


@dataclass(frozen=True)
class Section(Generic[T]):
    """``script`` runs on the host, POSIX sh, writes nothing; ``parse`` reads its lines."""

    name: str
    script: str
    parse: Callable[[list[str]], T]


def probe(sections: Sequence[Section[Any]], **variables: str) -> str:
    """One script of all sections; ``variables`` are set, quoted, before the first."""
    settings = "".join(f"{name}={quote(value)}\n" for name, value in sorted(variables.items()))
    # The empty line: what a section prints last may lack its end.
    body = "".join(f"printf '\\n@@ {s.name}\\n'\n(\n{s.script.strip()}\n) </dev/null 2>/dev/null\n" for s in sections)
    return f"{PRELUDE}{settings}{ENGINE}{body}printf '\\n{END}\\n'\n"


def split(output: list[str]) -> dict[str, list[str]]:
    """Lines by section, without empty ones.

    >>> split(["@@ a", "1", "", "@@ b", "@@ end"])
    {'a': ['1'], 'b': [], 'end': []}
    """
    found: dict[str, list[str]] = {}
    name = ""
    for line in (raw.rstrip("\r") for raw in output):
        if line.startswith("@@ "):
            name = line[3:].strip()
            found[name] = []
        elif name and line:
            found[name].append(line)
    return found


def parse(sections: Sequence[Section[Any]], output: list[str]) -> dict[str, Any]:
    """Values by section. Raises FactProcessError, the one exception that pyinfra keeps to this host alone."""
    lines = split(output)
    if "end" not in lines:
        raise FactProcessError("host: the probe's answer was cut short; is the host overloaded? run again")
    try:
        return {s.name: s.parse(lines[s.name]) for s in sections}
    except Exception as error:
        what = f"the probe's answer cannot be read ({type(error).__name__}: {error})"
        raise FactProcessError(f"host: {what}; report it with the output of -vvv") from error


class SectionFact(FactBase[T]):
    """A fact of one section."""

    abstract = True
    section: ClassVar[Section[Any]]

    @override
    def command(self) -> str:
        return probe([self.section])

    @override
    def process(self, output: list[str]) -> T:
        return parse([self.section], output)[self.section.name]  # type: ignore[no-any-return]
