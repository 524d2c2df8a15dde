"""Forecast: what a run would do to each host, as `gpufleet plan` tells it. Its JSON is published in docs/."""

from __future__ import annotations

from typing import Literal

from .base import Noun
from .finding import Finding
from .gpu import Gpu
from .image import Made, Pull
from .ledger import Ledger
from .plan import External
from .service import Accelerator

# One for each operation of a run that changes something, in their order.
Kind = Literal[
    "packages",
    "reboot",
    "engine",
    "cdi",
    "operators",
    "boot",
    "ports",
    "directories",
    "secrets",
    "models",
    "release",
    "run",
    "steps",
]
Outlook = Literal["same", "changes", "waits", "blocked", "failed"]


class Change(Noun):
    """Something that is not as the plan says, and that a run would mend. ``kind``: the part of the run that does it."""

    kind: Kind
    what: str


class ContainerChange(Noun):
    """What a run would do to the container of a service, and why."""

    service: str
    action: Literal["create", "recreate", "start", "remove"]
    why: str


class Fetch(Noun):
    """A model that would be fetched, by its path or by the name that its program fetches it by.

    ``left``: those of its ``bytes`` that are not on the host yet.
    """

    path: str
    bytes: int
    left: int


class PlacedService(Noun):
    """A service, where it would run and why. ``publish``: its port on the host; None: only the stack reaches it;
    ``publish_more``: ports of the host for its further ones.

    ``unloads``: by model on demand those that go for it.
    """

    name: str
    image: str
    models: tuple[str, ...] = ()
    unloads: dict[str, tuple[str, ...]] = {}
    accelerator: Accelerator
    devices: tuple[str, ...] = ()
    reason: str
    publish: int | None = None
    publish_more: tuple[int, ...] = ()
    url: str | None = None
    depends_on: tuple[str, ...] = ()
    memory_mib: int


class HostForecast(Noun):
    """One host. ``problems``: why nothing, or nothing more, is known of it.

    ``state``: ``same`` (nothing to do), ``changes``, ``waits`` (the rest is planned after a reboot), ``blocked``
    (a run would refuse it and touch nothing), ``failed`` (it did not answer). ``release``: the one that would run;
    ``current``: the one that does. ``downloads``, ``images`` and ``builds``: the models that it has
    not yet, images to pull, and images to build.
    ``left_out``: by service of the stack that would not run here why not.
    """

    state: Outlook
    role: str | None = None
    stack: str | None = None
    tier: str | None = None
    root: str | None = None
    cards: tuple[Gpu, ...] = ()
    ledgers: tuple[Ledger, ...] = ()
    services: tuple[PlacedService, ...] = ()
    externals: tuple[External, ...] = ()
    left_out: dict[str, str] = {}
    release: str | None = None
    current: str | None = None
    changes: tuple[Change, ...] = ()
    containers: tuple[ContainerChange, ...] = ()
    downloads: tuple[Fetch, ...] = ()
    images: tuple[Pull, ...] = ()
    builds: tuple[Made, ...] = ()
    findings: tuple[Finding, ...] = ()
    problems: tuple[str, ...] = ()


class Forecast(Noun):
    """All hosts by name. ``version`` changes when a reader of the JSON has to."""

    version: Literal[1] = 1
    hosts: dict[str, HostForecast]

    @staticmethod
    def failed(why: str) -> HostForecast:
        """A host that could not be asked."""
        return HostForecast(state="failed", problems=(why,))
