"""What can be wrong, in one shape: ``where: what; fix``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, where it is, and what to do about it.

    >>> print(Problem("group_data/stack", "no stack is named 'startr'", "did you mean 'starter'?"))
    group_data/stack: no stack is named 'startr'; did you mean 'starter'?
    """

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}; {self.fix}"
        return " ".join(text.split())  # one line, whatever was put into it


class Refused(Exception):
    """The only exception this library raises on purpose: the input cannot be worked with.

    ``problems`` holds every problem found, so that one run names them all.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


def choose(word: str, allowed: Iterable[str]) -> str:
    """The fix for a wrong word: the closest allowed one, or all of them; none is allowed where there are none.

    >>> choose("startr", ["starter", "velesio"])
    "did you mean 'starter'?"
    >>> choose("x", ["starter", "velesio"])
    'use one of: starter, velesio'
    >>> choose("x", [])
    'leave it out'
    """
    names = sorted(allowed)
    if not names:
        return "leave it out"
    close = get_close_matches(word, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(names)}"
