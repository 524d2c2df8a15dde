"""Shell scripts that run on hosts: files in ``scripts/``, told what they need in quoted variables."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from shlex import quote

_SCRIPTS = Path(__file__).parent / "scripts"


def script(name: str, **variables: object) -> str:
    """The script ``name`` with ``variables`` set before its first line."""
    settings = "".join(f"{key}={quote(str(value))}\n" for key, value in sorted(variables.items()))
    return f"set -eu\n{settings}{_text(name)}"


def alone(root: str) -> str:
    """What goes before a script that changes what runs below ``root``: it waits for one that still does."""
    return script("alone", root=root, patience=3600)


@cache
def _text(name: str) -> str:
    return (_SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")
