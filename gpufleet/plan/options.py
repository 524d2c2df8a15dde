"""Options of a service: the catalog's, over them the stack's, over them the user's."""

from __future__ import annotations

from typing import Any

from ..errors import Problem, Refused, choose
from ..schema import Service, Settings, StackService


def options(where: str, key: str, entry: StackService, service: Service, settings: Settings) -> dict[str, Any]:
    """Raises Refused for a name that the service does not have, and for a value of another kind."""
    given = dict(service.options)
    for source, values in (
        (f"{where}/options", entry.options),
        (f"group_data/options/{key}", settings.options.get(key, {})),
    ):
        for name, value in values.items():
            if name not in service.options:
                fix = choose(name, service.options)
                raise Refused(Problem(f"{source}/{name}", f"{entry.service} has no such option", fix))
            _check(f"{source}/{name}", value, service.options[name])
            given[name] = value
    return given


def _check(where: str, value: Any, default: Any) -> None:
    if type(value) is not type(default):
        kind = type(default).__name__
        raise Refused(Problem(where, f"{value!r} is not of type {kind}", f"write it like {default!r}"))
    if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value < 2**31:
        raise Refused(Problem(where, f"{value} is out of range", f"write a number like {default}"))
