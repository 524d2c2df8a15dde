"""Asking a vendor's tool: within a time limit, both streams told apart, the exit status last."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

# Nothing may be written, so no temporary file: the output waits in a variable and is printed behind the complaints.
# A tool that hung once is not asked again: on a card that is lost each call costs the whole limit.
SCRIPT = r"""
hung=
ask() {
  label=$1; shift
  command -v "$1" >/dev/null && [ "$hung" != "$1" ] || return 0
  both=$({ out=$(limit 25 "$@"); rc=$?
    printf '%s\n' "$out" | head -c 2097152 | sed "s/^/$label|/"; echo "$label#$rc"; } 2>&1)
  printf '%s\n' "$both" | sed "/^$label[|#]/!s/^/$label!/"
  case $both in *"$label#124") hung=$1 ;; esac
}
"""


@dataclass(frozen=True)
class Answer:
    """What a tool printed. ``rc`` None: it was not asked, or never came back."""

    text: str = ""
    complaint: str = ""
    rc: int | None = None


class Lines(list[str]):
    """A probe's lines, sorted by label once: each parser asks for a dozen labels of up to thousands of lines."""

    @cached_property
    def answers(self) -> dict[str, Answer]:
        parts: dict[tuple[str, str], list[str]] = {}
        last, rows = "\n", list[str]()
        for line in self:
            if not line.startswith(last):  # most lines are of the same label as the one before
                match = _LABEL.match(line)
                if match is None:
                    continue
                last, rows = match[0], parts.setdefault((match[1], match[2]), [])
            rows.append(line[len(last) :])
        return {label: _answer(*(parts.get((label, mark), []) for mark in "|!#")) for label, _ in parts}


_LABEL = re.compile(r"([a-z]+)([|!#])")


def _answer(text: list[str], complaint: list[str], rc: list[str]) -> Answer:
    status = "\n".join(rc)
    return Answer("\n".join(text), "\n".join(complaint), int(status) if re.fullmatch("[0-9]{1,3}", status) else None)


def answer(lines: list[str], label: str) -> Answer:
    """What the tool asked as ``label`` said.

    >>> answer(["smi|GPU 0", "smi!warning", "smi#14"], "smi")
    Answer(text='GPU 0', complaint='warning', rc=14)
    """
    return (lines if isinstance(lines, Lines) else Lines(lines)).answers.get(label, Answer())
