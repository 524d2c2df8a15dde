"""Our keys set in the text of a file that others write, too.

Mappings are merged key by key, every other value, a list as well, is replaced as a whole; a value and a mapping never
replace each other. Of YAML only those values are written: the rest, comments too, stays as it is to the byte. A text
that cannot be read is refused, never repaired.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ..catalog import malformed, unique
from ..errors import Problem, Refused
from .splice import spliced

STAYS = "it is left as it is"


@dataclass(frozen=True)
class Merged:
    """The new text, and the keys that it has and the earlier one had not, or with another value."""

    text: str
    keys: tuple[str, ...]


def merged(where: str, text: str, ours: str, source: str) -> Merged | None:
    """``text`` of ``where`` with the keys of ``ours``, from ``source``, in it; None: it says so already.

    >>> merged("a.json", '{"a": {"x": 1}}', '{"a": {"y": 2}}', "t").keys
    ('a/y',)
    """
    read = reader(where)
    have = read(where, text)
    new = patched(have, read(source, ours), where)
    if new is have:
        return None
    result = written(new, text) if read is read_json else _spliced(where, text, ours, have, new)
    return Merged(result, tuple(_keys(have, new)))


def reader(path: str) -> Callable[[str, str], dict[Any, Any]]:
    """What reads a file of this name: ``(where, text)`` to the mapping in it; raises Refused."""
    return read_json if path.endswith(".json") else read_yaml


def read_json(where: str, text: str | None) -> dict[str, Any]:
    """The object in ``text``, which may be empty."""
    try:
        have = json.loads(text) if text and text.strip() else {}
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        what = getattr(error, "msg", str(error))
        raise Refused(Problem(f"{where}{line}", f"is no JSON: {what}", f"mend it; {STAYS}")) from None
    if not isinstance(have, dict):
        raise Refused(Problem(where, "is no JSON object", f"write `{{...}}`; {STAYS}"))
    return have


def written(value: Mapping[str, Any], text: str | None) -> str:
    """JSON, indented as ``text`` is."""
    found = re.search(r"\n([ \t]+)\"", text or "")
    return json.dumps(value, indent=found[1] if found else 2, ensure_ascii=False) + "\n"


class _Loader(yaml.SafeLoader):
    """Not libyaml's: what a host sends must not be able to exhaust the stack."""


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique)


def read_yaml(where: str, text: str) -> dict[Any, Any]:
    """The mapping in ``text``, which may be empty."""
    try:
        have = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        problem = malformed(where, error)
        raise Refused(Problem(problem.where, problem.what, f"{problem.fix}; {STAYS}")) from None
    except (ValueError, RecursionError) as error:
        raise Refused(Problem(where, f"malformed YAML: {error}", f"mend it; {STAYS}")) from None
    if have is not None and not isinstance(have, dict):
        raise Refused(Problem(where, "is no mapping of keys", f"write `key: value` pairs; {STAYS}"))
    return have or {}


def patched(have: Any, wanted: Any, where: str) -> Any:
    """``have`` with ``wanted`` in it; ``have`` itself where it says so already.

    >>> patched({"a": {"x": 1}, "b": [1]}, {"a": {"y": 2}, "b": [2]}, "f")
    {'a': {'x': 1, 'y': 2}, 'b': [2]}
    """
    if isinstance(have, Mapping) and have and not isinstance(wanted, Mapping):
        raise Refused(Problem(where, "has keys of its own", f"write a value in their place; {STAYS}"))
    if not isinstance(wanted, Mapping) or have is None:
        return have if _same(have, wanted, set()) else wanted
    if not isinstance(have, Mapping):
        raise Refused(Problem(where, "is no mapping of keys", f"write `{{...}}`; {STAYS}"))
    new = {k: patched(have[k], v, f"{where}/{k}") if k in have else v for k, v in wanted.items()}
    return have if all(k in have and new[k] is have[k] for k in new) else {**have, **new}


def _same(a: Any, b: Any, seen: set[tuple[int, int]]) -> bool:
    """Whether both say the same; True is not 1. What an alias repeats is looked at once."""
    if (id(a), id(b)) in seen or a is b:
        return True
    if isinstance(a, dict | list) and type(a) is type(b):
        seen.add((id(a), id(b)))
        x, y = (dict(enumerate(v)) if isinstance(v, list) else v for v in (a, b))
        return x.keys() == y.keys() and all(_same(x[k], y[k], seen) for k in x)
    return type(a) is type(b) and repr(a) == repr(b)


def _keys(have: Mapping[Any, Any], new: Mapping[Any, Any], at: str = "") -> Iterator[str]:
    """Paths of what is new or different in ``new``."""
    for key, value in new.items():
        old = have.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and old is not value:
            yield from _keys(old, value, f"{at}{key}/")
        elif key not in have or old is not value:
            yield f"{at}{key}"


def _spliced(where: str, text: str, ours: str, have: Mapping[Any, Any], new: Mapping[Any, Any]) -> str:
    """The text that says ``new``: proven by reading it again, as an anchor may give a value to several keys."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    gap = "\n" if text and not text.endswith("\n") else ""
    result = spliced(text, root, have, new) if isinstance(root, yaml.MappingNode) else f"{text}{gap}{ours}"
    try:
        if _same(read_yaml(where, result), new, set()):
            return result
    except Refused:
        pass
    names = ", ".join(_keys(have, new))
    fix = f"write out what an anchor, a tag or `<<` gives there, and end the last line; {STAYS}"
    raise Refused(Problem(where, f"{names} cannot be set without a change of others", fix))
