"""Exit codes."""

from __future__ import annotations

from collections.abc import Iterable

# Of states, worst first; others are 0. No state's own code is 64: the command line itself was wrong.
CODES = {"failed": 1, "stopped": 1, "blocked": 3, "waits": 2, "asked": 2, "changes": 2, "same": 0}
USAGE = 64


def worst(states: Iterable[str]) -> int:
    """The code of the worst state."""
    found = {*states}
    return next((code for state, code in CODES.items() if state in found), 0)
