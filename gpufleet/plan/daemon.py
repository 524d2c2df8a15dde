"""daemon.json: merged here, with the user's own keys kept; a file that cannot be read is refused, never repaired."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Problem, Refused

PATH = "/etc/docker/daemon.json"


def merged(text: str | None, wanted: Mapping[str, Any]) -> str | None:
    """``text`` with ``wanted`` in it; None: it says so already. Raises Refused for what is no JSON object.

    >>> merged('{"debug": true, "features": {"x": true}}', {"features": {"cdi": True}})
    '{\\n  "debug": true,\\n  "features": {\\n    "x": true,\\n    "cdi": true\\n  }\\n}\\n'
    """
    have = _read(text)
    return json.dumps(have, indent=2, ensure_ascii=False) + "\n" if _mix(have, wanted) else None


def given_twice(text: str | None, wanted: Mapping[str, Any], flags: Sequence[str]) -> list[str]:
    """Keys of the merged file that dockerd gets on its command line too: it does not start with both.

    A flag that may be repeated is the singular of its key; runtimes may stand in both.

    >>> given_twice('{"registry-mirrors": [], "debug": true}', {"features": {"cdi": True}}, ["registry-mirror", "host"])
    ['registry-mirrors']
    """
    names = {name for flag in flags for name in (flag, f"{flag}s", f"{flag.removesuffix('y')}ies")}
    return sorted(({*_read(text)} | {*wanted}) & names - {"runtimes"})


def left_out(text: str | None) -> bool:
    """Whether dockerd is told of directories of CDI specifications, and not of the one that is made anew at boot.

    >>> left_out('{"cdi-spec-dirs": ["/etc/cdi"]}'), left_out('{"cdi-spec-dirs": ["/var/run/cdi"]}'), left_out(None)
    (True, False, False)
    """
    told = _read(text).get("cdi-spec-dirs")
    return isinstance(told, list) and not {"/var/run/cdi", "/run/cdi"} & {str(path).rstrip("/") for path in told}


def _read(text: str | None) -> dict[str, Any]:
    try:
        have = json.loads(text) if text and text.strip() else {}
    except ValueError as error:
        raise Refused(Problem(PATH, f"is no JSON: {error}", "mend it; it is left as it is")) from None
    if not isinstance(have, dict):
        raise Refused(Problem(PATH, "is no JSON object", "write `{...}`; it is left as it is"))
    return have


def _mix(have: dict[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Put ``wanted`` into ``have``; whether that changed anything."""
    changed = False
    for key, value in wanted.items():
        if isinstance(value, Mapping) and isinstance(have.get(key), dict):
            changed |= _mix(have[key], value)
        elif isinstance(value, Mapping) and key in have:
            raise Refused(Problem(f"{PATH}/{key}", "is no JSON object", "write `{...}`; it is left as it is"))
        elif have.get(key) != value:
            have[key] = value
            changed = True
    return changed
