"""Stack: services that run together, as a file of the catalog or of the user's says it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from .base import MiB, Name, Noun, Port

CardNumber = Annotated[int, Field(ge=0, lt=64)]


class StackService(Noun):
    """A service of a stack."""

    service: Name
    model: Name | None = Field(None, description="the model that it is started with, by the stack's name for it")
    models: list[Name] = Field([], description="models that stay loaded, of a service that loads many")
    on_demand: list[Name] = Field([], description="models that it loads when they are asked for, one at a time")
    exclusive: Name | None = Field(
        None, description="services with the same word here never work at the same time: their jobs count once"
    )
    card: CardNumber | None = Field(
        None, description="its card in the role dual_gpu, counted from 0 by PCI address; none: any"
    )
    publish: Port | None = Field(None, description="host port; none: only the stack's own network reaches it")
    publish_more: dict[Name, Port] = Field({}, description="host ports of its further ports, by their names")
    share: Port | dict[Name, Port] | None = Field(
        None,
        description="host port for the hosts of a fleet whose services depend on it, or watch it; of a further port "
        "`{NAME: PORT}`",
    )
    depends_on: list[Name] = []
    watches: list[Name] = Field(
        [], description="kinds of services that it is told of wherever they run: files in `services/`"
    )
    fleet: bool = Field(False, description="runs only where its stack is spread over the hosts of a fleet")
    roles: list[Name] = Field([], description="roles that run it, and parts of a fleet; none: all")
    modes: list[Name] = Field([], description="modes in which the role dual_gpu runs it; none: all")
    optional: bool = Field(False, description="runs only where the setting `services` says so")
    labels: dict[str, str] = Field({}, description="beside those of its catalog entry, or in their place")
    options: dict[str, Any] = {}


class Tier(Noun):
    """What a stack runs on cards of one size: other models, other options, ``without`` some services."""

    models: dict[Name, Name] = {}
    options: dict[Name, dict[str, Any]] = {}
    without: list[Name] = []


class Mode(Noun):
    """Services of the role dual_gpu that run together. ``free_mib``: by number of a card what should be free on it."""

    free_mib: dict[CardNumber, MiB] = {}


class Stack(Noun):
    """One file ``stacks/NAME.yaml``. ``tiers``: the smallest first; ``modes`` of the role dual_gpu: default first."""

    title: str
    services: dict[Name, StackService] = Field(min_length=1)
    models: dict[Name, Name] = {}
    tiers: dict[Name, Tier] = {}
    modes: dict[Name, Mode] = {}
