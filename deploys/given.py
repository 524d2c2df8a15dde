"""Secrets that the user has: read on the machine that gpufleet runs from, and sent to the host's .env alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from pydantic import SecretStr

from ..errors import Problem, Refused
from ..schema import Secret

TOKEN = re.compile(r"[!-~]+")
PLAIN = re.compile(r"[\w./:@%+=,~^-]+")


def given(sources: Mapping[str, str], secrets: Iterable[Secret], have: Iterable[str]) -> dict[str, SecretStr]:
    """By name what .env shall have behind its `=`. Raises Refused.

    One that is not here, but that the host has (``have``), is left as it is.
    """
    asked = {s.name: sources[s.name] for s in secrets if s.name in sources}
    found = {name: value(source) for name, source in asked.items()}
    lost = [name for name, text in found.items() if not text and name not in have]
    if lost:
        raise Refused(*(_away(name, asked[name]) for name in lost))
    return {name: SecretStr(_quoted(name, text)) for name, text in found.items() if text}


def stdin(values: Mapping[str, SecretStr]) -> str:
    """``NAME=VALUE`` lines for the script that writes .env."""
    return "".join(f"{name}={value.get_secret_value()}\n" for name, value in sorted(values.items()))


def token(name: str, source: str) -> str:
    """One for a server, which goes into a header. Raises Refused."""
    found = value(source)
    if not found:
        raise Refused(_away(name, source))
    if not TOKEN.fullmatch(found):
        raise Refused(Problem(f"group_data/secrets/{name}", "has a blank, or letters that no token has", "mend it"))
    return found


def value(source: str) -> str:
    """What is at ``env:NAME`` or ``file:PATH``; empty: nothing is."""
    kind, _, name = source.partition(":")
    if kind == "env":
        return os.environ.get(name, "").removesuffix("\n")
    try:
        return Path(name).expanduser().read_text().removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        return ""


def _away(name: str, source: str) -> Problem:
    kind, _, where = source.partition(":")
    what = f"the variable {where} is not set" if kind == "env" else f"{where} is not there, or cannot be read"
    fix = f"export {where}" if kind == "env" else "write the value into it"
    return Problem(f"group_data/secrets/{name}", f"{what} on this machine", f"{fix}, and run again")


def _quoted(name: str, value: str) -> str:
    """A value as Compose and a shell both read it: within quotes nothing of it means anything to them."""
    if PLAIN.fullmatch(value):
        return value
    if "'" in value or not value.isprintable():
        raise Refused(Problem(f"group_data/secrets/{name}", "has a quote or more than one line", "use another value"))
    return f"'{value}'"


def digest(value: SecretStr) -> str:
    """By which the host says whether it has this very value: so few bits that nobody can guess at it with them."""
    return sha256(value.get_secret_value().encode()).hexdigest()[:5]
