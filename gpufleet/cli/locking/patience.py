"""Servers that are busy or away: asked again for a while, and told in one line when that is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
from huggingface_hub.errors import HTTPError as HubError  # type: ignore[attr-defined]  # its HTTP library is not ours

from ...errors import Problem, Refused

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before the next try
LONGEST = 30.0  # that a server may ask for
TIMEOUT = 30.0  # without a byte
BUSY = (408, 429)
FAILED = (httpx.HTTPError, HubError)
T = TypeVar("T")


def patiently(ask: Callable[[], T]) -> T:
    """What ``ask`` returns; done again where the server is busy or the way to it breaks. Raises the last error."""
    for wait in WAITS:
        try:
            return ask()
        except FAILED as error:
            status = status_of(error)
            if status is not None and status not in BUSY and status < 500:
                raise
            time.sleep(max(wait, _asked_for(error)))
    return ask()


def status_of(error: Exception) -> int | None:
    """Of the answer; None: there was none."""
    found = getattr(getattr(error, "response", None), "status_code", None)
    return found if isinstance(found, int) else None


def _asked_for(error: Exception) -> float:
    """Seconds of `Retry-After`, as far as we wait."""
    told = getattr(error, "response", None)
    text = told.headers.get("Retry-After", "") if told is not None else ""
    return min(float(text), LONGEST) if text.isdecimal() else 0.0


def refusal(where: str, server: str, error: Exception) -> Refused:
    """The line for a server that does not answer as it should; the error's own text may hold what is secret."""
    status = status_of(error)
    if status is None:
        return Refused(
            Problem(where, f"{server} cannot be reached", "check its address and the network, and run again")
        )
    if status == 429:
        return Refused(Problem(where, f"{server} was asked too often (HTTP 429)", "wait a while, and run again"))
    return Refused(Problem(where, f"{server} answers HTTP {status}", "run again later"))
