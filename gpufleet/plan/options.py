"""Options of a service: the catalog's, over them the stack's, over them the user's."""

from __future__ import annotations

from typing import Any

from ..errors import Problem, Refused, choose
from ..schema import Service, Settings, StackService
from ..schema.forms import FORMS

LARGEST = 2**31 - 1


def options(where: str, key: str, entry: StackService, service: Service, settings: Settings) -> dict[str, Any]:
    """Raises Refused for a name that the service does not have, and for a value that it does not take."""
    given = dict(service.options)
    for source, values in (
        (f"{where}/options", entry.options),
        (f"group_data/options/{key}", settings.options.get(key, {})),
    ):
        for name, value in values.items():
            if name not in service.options:
                fix = choose(name, service.options)
                raise Refused(Problem(f"{source}/{name}", f"{entry.service} has no such option", fix))
            check(f"{source}/{name}", value, service.options[name], service.takes.get(name))
            given[name] = value
    return given


def check(where: str, value: Any, default: Any, takes: Any) -> None:
    """Refuse a value of another kind than the default's, and one that is not what the option ``takes``."""
    if type(value) is not type(default):
        kind = type(default).__name__
        raise Refused(Problem(where, f"{value!r} is not of type {kind}", f"write it like {default!r}"))
    if isinstance(value, int) and not isinstance(value, bool):
        least = min(1, default)  # where 0 is the default, it is a word for something
        if not least <= value <= LARGEST:
            raise Refused(Problem(where, f"{value} is out of range", f"write a number from {least} to {LARGEST}"))
    if takes and value != default:
        for each in value if isinstance(value, list) else [value]:
            _held(where, each, takes)


def _held(where: str, value: Any, takes: Any) -> None:
    if isinstance(takes, dict):
        return _keys(where, value, takes)
    fits = value in takes if isinstance(takes, list) else FORMS[takes].fits(value)
    if not fits:
        fix = choose(str(value), takes) if isinstance(takes, list) else FORMS[takes].fix
        raise Refused(_wrong(where, value, fix))
    return None


def _keys(where: str, value: Any, takes: dict[str, Any]) -> None:
    if not isinstance(value, dict):
        raise Refused(_wrong(where, value, "write `key: value` pairs"))
    for key, inner in value.items():
        told = takes.get(str(key), takes.get("*"))
        if told is None:
            raise Refused(Problem(f"{where}/{key}", f"unknown key '{key}'", choose(str(key), takes)))
        _held(f"{where}/{key}", inner, told)


def _wrong(where: str, value: Any, fix: str) -> Problem:
    shown = repr(value)
    return Problem(where, f"{shown} is not accepted" if len(shown) <= 60 else "is not accepted", fix)
