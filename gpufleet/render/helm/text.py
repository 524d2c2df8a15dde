"""Manifests as text: YAML in which template expressions stand as they are, and no other brace is a template's."""

from __future__ import annotations

import re
import sys
from typing import Any

import yaml

from ..compose import Dumper

Object = dict[str, Any]
_EXPR = re.compile("\ue000([0-9a-f]+)\ue001")
_MAYBE = re.compile("^(.*)\ue002([0-9a-f]+)\ue003$", re.MULTILINE)


class Expr(str):
    """A template expression without its braces; what it prints is YAML on one line."""


class Maybe(str):
    """A template expression without its braces, of a key that is left out where its value is empty."""


class _Dumper(Dumper):
    """Expressions as one word that YAML does not quote; what is said twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    Expr, lambda d, e: d.represent_scalar("tag:yaml.org,2002:str", f"\ue000{e.encode().hex()}\ue001")
)

_Dumper.add_representer(
    Maybe, lambda d, e: d.represent_scalar("tag:yaml.org,2002:str", f"\ue002{e.encode().hex()}\ue003")
)


def plain(data: Object) -> str:
    """YAML of what has no expression."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=sys.maxsize, allow_unicode=True)


def dump(data: Object) -> str:
    """A manifest of ``templates/``."""
    text = _EXPR.sub(lambda m: f"{{{{ {_read(m[1])} }}}}", literal(plain(data)))
    return _MAYBE.sub(lambda m: f"{{{{- with {_read(m[2])} }}}}\n{m[1]}{{{{ . | toJson }}}}\n{{{{- end }}}}", text)


def _read(word: str) -> str:
    return bytes.fromhex(word).decode()


def literal(text: str) -> str:
    """Text that a template prints as it is.

    >>> literal("{{ x }}")
    '{{ "{{" }} x }}'
    """
    return text.replace("{{", '{{ "{{" }}')


def filled(data: Object) -> Object:
    """``data`` without what is empty."""
    return {key: value for key, value in data.items() if value is not None and value not in ([], {})}
