"""Fill ``{{ ... }}`` in parsed data, leaf by leaf: a value can never break the structure around it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import Problem, Refused

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
_ENVIRONMENT.globals.clear()  # nothing but the names; and Jinja copies them at every rendering


@cache
def _template(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def fill(text: str, names: Mapping[str, Any], where: str) -> str:
    """``text`` with the ``names`` filled in.

    >>> fill("--ctx-size={{ options.context }}", {"options": {"context": 4096}}, "x")
    '--ctx-size=4096'
    """
    if "{" not in text:
        return text
    try:
        return _template(text).render(names)
    except TemplateError as error:
        message = (error.message or type(error).__name__).replace("\n", " ")
        raise Refused(
            Problem(where, f"cannot fill {text[:60]!r}: {message}", f"names in reach: {', '.join(sorted(names))}")
        ) from None
