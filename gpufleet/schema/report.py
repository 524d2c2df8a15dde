"""Report: what a run did to each host, as `gpufleet apply` tells it. Its JSON is published in docs/."""

from __future__ import annotations

from typing import Literal

from .base import Noun
from .forecast import Change

Outcome = Literal["same", "changed", "waits", "blocked", "failed", "stopped", "asked"]


class Operation(Noun):
    """One of a run, on a host. ``said``: its last lines, where it failed."""

    name: str
    changed: bool
    failed: bool = False
    seconds: float
    said: tuple[str, ...] = ()


class HostReport(Noun):
    """One host. ``problems``: why nothing was done to it.

    ``state``: ``same`` (there was nothing to do), ``changed``, ``waits`` (the rest comes after a reboot), ``blocked``
    (refused, and not touched), ``failed``, ``stopped`` (the run was ended before it was done with it), ``asked``
    (nothing was done yet: `gpufleet destroy` wants --yes).
    ``changes``: what was not as planned before the run; ``operations``: those that changed something, or failed;
    ``before`` and ``release``: the release that ran, and the one that was to run; ``urls``: where its services are, by
    name; ``kept``: bytes by path of what stays of a stack that ends; ``seconds``: of all operations.
    """

    state: Outcome
    before: str | None = None
    release: str | None = None
    changes: tuple[Change, ...] = ()
    operations: tuple[Operation, ...] = ()
    problems: tuple[str, ...] = ()
    urls: dict[str, str] = {}
    kept: dict[str, int] = {}
    seconds: float = 0

    @property
    def failure(self) -> Operation | None:
        return next((one for one in self.operations if one.failed), None)


class Report(Noun):
    """All hosts by name. ``version`` changes when a reader of the JSON has to; ``started`` in UTC, ISO 8601;
    ``programs``: their versions."""

    version: Literal[1] = 1
    programs: dict[str, str]
    started: str
    seconds: float
    hosts: dict[str, HostReport]
