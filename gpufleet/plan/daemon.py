"""daemon.json: merged here, with the user's own keys kept; a file that cannot be read is refused, never repaired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Problem, Refused
from .merge import STAYS, patched, read_json, written

PATH = "/etc/docker/daemon.json"


def merged(text: str | None, wanted: Mapping[str, Any]) -> str | None:
    """``text`` with ``wanted`` in it; None: it says so already. Raises Refused for what is no JSON object.

    >>> merged('{"debug": true, "features": {"x": true}}', {"features": {"cdi": True}})
    '{\\n  "debug": true,\\n  "features": {\\n    "x": true,\\n    "cdi": true\\n  }\\n}\\n'
    """
    have = read_json(PATH, text)
    new = patched(have, wanted, PATH)
    return None if new is have else written(new, text)


def plain(text: str | None, wanted: Sequence[str]) -> Mapping[str, Any]:
    """The key that has these registries among those that are asked without TLS: a list is replaced as a whole.

    >>> plain('{"insecure-registries": ["mine"]}', ["cache:5000"]), plain("{}", [])
    ({'insecure-registries': ['mine', 'cache:5000']}, {})
    """
    have = read_json(PATH, text).get("insecure-registries") or [] if wanted else []
    if not isinstance(have, list):
        raise Refused(Problem(f"{PATH}/insecure-registries", "is no list", f"write `[...]`; {STAYS}"))
    return {"insecure-registries": [*have, *(name for name in wanted if name not in have)]} if wanted else {}


def given_twice(text: str | None, wanted: Mapping[str, Any], flags: Sequence[str]) -> list[str]:
    """Keys of the merged file that dockerd gets on its command line too: it does not start with both.

    A flag that may be repeated is the singular of its key; runtimes may stand in both.

    >>> given_twice('{"registry-mirrors": [], "debug": true}', {"features": {"cdi": True}}, ["registry-mirror", "host"])
    ['registry-mirrors']
    """
    names = {name for flag in flags for name in (flag, f"{flag}s", f"{flag.removesuffix('y')}ies")}
    return sorted(({*read_json(PATH, text)} | {*wanted}) & names - {"runtimes"})


def left_out(text: str | None) -> bool:
    """Whether dockerd is told of directories of CDI specifications, and not of the one that is made anew at boot.

    >>> left_out('{"cdi-spec-dirs": ["/etc/cdi"]}'), left_out('{"cdi-spec-dirs": ["/var/run/cdi"]}'), left_out(None)
    (True, False, False)
    """
    told = read_json(PATH, text).get("cdi-spec-dirs")
    return isinstance(told, list) and not {"/var/run/cdi", "/run/cdi"} & {str(path).rstrip("/") for path in told}
