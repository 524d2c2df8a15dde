"""Servers that are busy or away: asked again for a while, and told in one line when that is over."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from math import ceil
from typing import TypeVar

import click
import httpx
from huggingface_hub.errors import HTTPError as HubError  # type: ignore[attr-defined]  # its HTTP library is not ours

from ...errors import Problem, Refused

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before the next try
LONGEST = 300.0  # that a server may ask for in all: the Hub counts requests in five minutes
SAID = 10.0  # of a shorter wait nothing is said
TIMEOUT = 30.0  # without a byte
BUSY = (408, 429)
RESET = re.compile(r";r=0;t=(\d+)")  # of the Hub's header RateLimit: none is left, and for how long
FAILED = (httpx.HTTPError, HubError)
T = TypeVar("T")
# By server until when somebody waits for it: of eight who do one says so.
_AWAITED: dict[str, float] = {}


def patiently(server: str, ask: Callable[[], T]) -> T:
    """What ``ask`` returns; done again where ``server`` is busy or the way to it breaks. Raises the last error."""
    left = LONGEST
    for wait in WAITS:
        try:
            return ask()
        except FAILED as error:
            status, wait = status_of(error), max(wait, _asked_for(error))
            left -= wait
            if left < 0 or (status is not None and status not in BUSY and status < 500):
                raise
            _say(server, wait)
            time.sleep(wait)
    return ask()


def status_of(error: Exception) -> int | None:
    """Of the answer; None: there was none."""
    found = getattr(getattr(error, "response", None), "status_code", None)
    return found if isinstance(found, int) else None


def _asked_for(error: Exception) -> float:
    """Seconds for which a server that is busy wants to be left alone."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    if told := RESET.search(headers.get("RateLimit", "")):
        return float(told[1])
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0


def _say(server: str, wait: float) -> None:
    if wait >= SAID and _AWAITED.get(server, 0.0) < (now := time.monotonic()):
        _AWAITED[server] = now + wait
        click.echo(f"gpufleet lock: {server} is busy: waiting {_span(wait)}, as it asks", err=True)


def _span(seconds: float) -> str:
    """
    >>> _span(40), _span(3590)
    ('40 s', '60 min')
    """
    return f"{ceil(seconds)} s" if seconds < 90 else f"{ceil(seconds / 60)} min"


def refusal(where: str, server: str, error: Exception) -> Refused:
    """The line for a server that does not answer as it should; the error's own text may hold what is secret."""
    status = status_of(error)
    if status is None:
        return Refused(
            Problem(where, f"{server} cannot be reached", "check its address and the network, and run again")
        )
    if status == 429:
        wait = _asked_for(error)
        fix = f"it wants to be left alone for {_span(wait)}: run again then" if wait else "wait a while, and run again"
        return Refused(Problem(where, f"{server} was asked too often (HTTP 429)", fix))
    return Refused(Problem(where, f"{server} answers HTTP {status}", "run again later"))
