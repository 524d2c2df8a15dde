"""Sections: pieces of one probe, each printed under its own ``@@ name`` line and parsed by its own function."""

from __future__ import annotations

from collections.abc import Callable
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
END = "@@ end"


@dataclass(frozen=True)
class Section(Generic[T]):
    """``script`` runs on the host, POSIX sh, writes nothing; ``parse`` reads its lines."""

    name: str
    script: str
    parse: Callable[[list[str]], T]


def probe(sections: list[Section[Any]], **variables: str) -> str:
    """One script of all sections; ``variables`` are set, quoted, before the first."""
    settings = "".join(f"{name}={quote(value)}\n" for name, value in sorted(variables.items()))
    body = "".join(f"echo '@@ {s.name}'\n(\n{s.script.strip()}\n) </dev/null 2>/dev/null\n" for s in sections)
    return f"{PRELUDE}{settings}{body}echo '{END}'\n"


def split(output: list[str]) -> dict[str, list[str]]:
    """Lines by section. Raises FactProcessError when the output was cut short.

    >>> split(["@@ a", "1", "@@ b", "@@ end"])
    {'a': ['1'], 'b': []}
    """
    found: dict[str, list[str]] = {}
    if END not in (line.strip() for line in output):
        raise FactProcessError("host: the probe's answer was cut short; is the host overloaded? run again")
    name = ""
    for line in (raw.rstrip("\r") for raw in output):
        if line.startswith("@@ "):
            name = line[3:].strip()
            found[name] = []
        elif name:
            found[name].append(line)
    return {k: v for k, v in found.items() if k != "end"}


class SectionFact(FactBase[T]):
    """A fact of one section."""

    abstract = True
    section: ClassVar[Section[Any]]

    @override
    def command(self) -> str:
        return probe([self.section])

    @override
    def process(self, output: list[str]) -> T:
        return self.section.parse(split(output)[self.section.name])  # type: ignore[no-any-return]
