"""Every file of the store whose digest is known, read again on its host: what is in each now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyinfra.api.host import Host

from .observe import ran
from .script import script

AT_ONCE, EVERY = 4, 10  # files, seconds
TOOLS = {"sha256": "sha256", "git": "sha1"}  # what Git calls a file is made of SHA-1


def read_again(host: Host, root: str, known: Mapping[str, str]) -> dict[str, str] | None:
    """By path below the directory of models the digest of each file that is there; empty: it cannot be read.

    ``known``: digests that they should have; of what has another no note is right any more. None: it did not answer.
    """
    done, output = ran(host, command(root, known), shown=True) if known else (True, None)
    return found(known, output.stdout_lines if output else ()) if done else None


def command(root: str, known: Mapping[str, str], every: float = EVERY) -> str:
    """What the host is asked with."""
    parts = ((*digest.split(":", 1), path) for path, digest in sorted(known.items()))
    lines = (f"{TOOLS[kind]} {hex_} {path}" for kind, hex_, path in parts)
    return script("deep", root=root, files="\n".join(lines), at_once=AT_ONCE, every=every)


def found(known: Mapping[str, str], lines: Iterable[str]) -> dict[str, str]:
    """What it answers."""
    rows = (line.split(" ", 2) for line in lines if line.startswith("digest "))
    return {path: "" if hex_ == "-" else f"{known[path].partition(':')[0]}:{hex_}" for _, hex_, path in rows}
