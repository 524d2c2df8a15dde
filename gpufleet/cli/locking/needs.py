"""What the hosts of an inventory need to have locked, by the files that it is locked in."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...deploys.fleet import own_data
from ...errors import Problem, Refused
from ...plan import Wanted, want
from ...plan.build import python
from ...plan.fetch import fetches
from ...plan.weights import Weights
from ...schema import Model, Service, Settings, read
from ..ask import check_read, empty, options, pyinfra
from ..words import listed


@dataclass
class Need:
    """Something to lock. ``kind``: models, pulls or images; ``key``: its name in the lock; ``names``: all it goes by.

    ``where`` and ``settings`` are of the first host that needs it.
    """

    kind: str
    key: str
    where: str
    settings: Settings
    names: set[str]
    model: Model | None = None


Hosts = Iterable[Mapping[str, Any]]
# What is needed, by kind and key.
Needs = dict[tuple[str, str], Need]


def needs(hosts: Hosts) -> dict[str, Needs]:
    """By the path of a lock what its hosts need. Raises Refused with all that is wrong with them."""
    found: dict[str, Needs] = {}
    for settings, runs in wanted(hosts, lock=os.devnull):  # as if nothing were locked yet
        these = found.setdefault(os.path.normpath(settings.lock), {})
        for need in _needs(runs):
            these.setdefault((need.kind, need.key), need).names |= need.names
    return found


def against(hosts: Hosts) -> tuple[Problem, ...]:
    """Why a run would refuse hosts with what is locked now, such as a model that its program does not load."""
    try:
        wanted(hosts)
    except Refused as refused:
        return refused.problems
    return ()


def of_inventory(inventory: str, data: tuple[str, ...]) -> Hosts:
    """Name, groups and data of each host, as pyinfra loads them; no host is connected to. Raises Unasked."""
    done = pyinfra("--json", *options((), data), inventory, "debug-inventory")
    last = (done.stdout.splitlines() or [""])[-1]  # the user's files may print before it
    check_read(done.stdout + done.stderr, inventory, loaded=done.returncode == 0 and last.startswith("["))
    hosts: Hosts = json.loads(last)
    if not hosts:
        raise empty(inventory)
    return hosts


def wanted(hosts: Hosts, only: Collection[str] | None = None, **data: str) -> list[tuple[Settings, Wanted]]:
    """The settings of each host, and what it wants with ``data`` above them. Raises Refused: of many hosts one line.

    ``only``: their names; None: all.
    """
    found: list[tuple[Settings, Wanted]] = []
    wrong: dict[Problem, list[str]] = {}
    fleet = {group for host in hosts for group in host["groups"]}
    asked = [host for host in hosts if only is None or host["name"] in only]
    for host in sorted(asked, key=lambda host: str(host["name"])):
        own = own_data(host["data"])
        try:
            runs = want(host["groups"], {**own, **data}, fleet, locking=True)
            found.append((read(Settings, own, "group_data"), runs))
        except Refused as refused:
            for problem in refused.problems:
                wrong.setdefault(problem, []).append(host["name"])
    if wrong:
        raise Refused(*(Problem(f"{listed(names)}: {p.where}", p.what, p.fix) for p, names in wrong.items()))
    return found


def _needs(wanted: Wanted) -> Iterator[Need]:
    """Of all its tiers: models that are not pinned where they are declared, images by tag, and what fetches models."""
    for one in (wanted, *wanted.smaller):
        if fetches(one):
            yield Need("images", python(), "images/fetcher", one.settings, {python()})
        for s in one.services:
            for w in s.weights:
                yield from _of_model(w, s.service, one.settings)
            for accelerator, image in s.service.image.items():
                if "@" not in image:
                    where, names = f"services/{s.entry.service}/image/{accelerator}", {image, image.rpartition(":")[0]}
                    yield Need("images", image, where, one.settings, names)


def _of_model(weights: Weights, service: Service, settings: Settings) -> Iterator[Need]:
    where, model = f"models/{weights.name}", weights.model
    if model.repo and not model.locked:
        yield Need("models", model.key, where, settings, {weights.name, model.repo, model.key}, model)
    elif model.pull and service.library:
        yield Need("pulls", model.pull, where, settings, {weights.name, model.pull})
