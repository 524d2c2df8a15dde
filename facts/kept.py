"""Files that the user and a program write, too."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error

from pydantic import SecretStr
from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..schema import KeptFile
from .section import Section, probe
from .section import parse as parse_all

LIMIT = 2**20  # bytes; no configuration is longer

# Its folder may be a container's to write: a link in it could name any file of the host, and a pipe would never end.
# In Base64, which no line of ours looks like, and which -vvv does not show as plain text.
SCRIPT = r"""
IFS='
'
for p in $kept; do
  [ -e "$p" ] || [ -L "$p" ] || continue
  text=$(limit 5 dd if="$p" iflag=nofollow,nonblock bs=64k count=17 | base64 -w 0)
  printf '%s|%s|%s\n' "$(stat -c '%F|%s' "$p")" "$text" "$p"
done
"""


def parse(lines: list[str]) -> dict[str, KeptFile]:
    """``kind|bytes|text in Base64|path`` lines, by path."""
    rows = [line.split("|", 3) for line in lines if line.count("|") >= 3]
    return {path: _file(kind, int(size), text) for kind, size, text, path in rows if size.isdecimal()}


def _file(kind: str, size: int, text: str) -> KeptFile:
    if not kind.startswith("regular"):
        return KeptFile(why=f"is a {kind}, not a file")
    if size > LIMIT:
        return KeptFile(why=f"is longer than {LIMIT} bytes")
    try:
        found = b64decode(text, validate=True)
        if len(found) != size:
            return KeptFile(why="cannot be read whole")
        return KeptFile(text=SecretStr(found.decode()))
    except (Error, UnicodeDecodeError):
        return KeptFile(why="is no UTF-8 text")


SECTION = Section("kept", SCRIPT, parse)


class Kept(FactBase[dict[str, KeptFile] | None]):
    """Returns the files of ``kept``, a path a line, that are there; None when the host did not answer."""

    @override
    def command(self, kept: str) -> str:
        return probe([SECTION], kept=kept)

    @override
    def process(self, output: list[str]) -> dict[str, KeptFile]:
        return parse_all([SECTION], output)["kept"]  # type: ignore[no-any-return]
