"""Licences that only their user can accept: nothing under one is run unless the setting `accept` names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..schema import Finding, Licence
from .finding import block
from .wanted import Wanted, WantedService


def unaccepted(wanted: Wanted) -> Iterable[Finding]:
    """Of what shall run here, what is under a licence that was not accepted."""
    given = wanted.settings.accept
    for where, what, licence in (found for s in wanted.services for found in _under(s)):
        if licence.name not in given:
            says = f"{what} is under the licence {licence.name}, which you have to accept: {licence.page}"
            fix = f"read it, and set accept = {[*given, licence.name]}, or leave it out"
            yield block("PLAN-LICENCE", where, says, fix)


def _under(service: WantedService) -> Iterator[tuple[str, str, Licence]]:
    """Where it is said, of what, and the licence: of the program, and of its models."""
    if isinstance(licence := service.service.licence, Licence):
        yield f"services/{service.name}", service.entry.service, licence
    for weights in service.weights:
        if isinstance(licence := weights.model.licence, Licence):
            yield f"models/{weights.name}", weights.model.label, licence
