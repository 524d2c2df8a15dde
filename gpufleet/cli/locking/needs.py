"""What the hosts of an inventory need to have locked, by the files that it is locked in."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...deploys.fleet import own_data
from ...errors import Problem, Refused
from ...plan import Wanted, want
from ...plan.weights import Weights
from ...schema import Model, Service, Settings, read
from ..ask import check_read, empty, options, pyinfra


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


# What is needed, by kind and key.
Needs = dict[tuple[str, str], Need]


def needs(inventory: str, data: tuple[str, ...]) -> dict[str, Needs]:
    """By the path of a lock what its hosts need; raises Unasked, and Refused with all that is wrong with hosts."""
    found: dict[str, Needs] = {}
    problems: list[Problem] = []
    hosts = _hosts(inventory, data)
    fleet = {group for host in hosts for group in host["groups"]}
    for host in sorted(hosts, key=lambda host: str(host["name"])):
        try:
            settings, wanted = _wanted(host, fleet)
        except Refused as refused:
            problems += [Problem(f"{host['name']}: {p.where}", p.what, p.fix) for p in refused.problems]
            continue
        these = found.setdefault(os.path.normpath(settings.lock), {})
        for need in _needs(wanted):
            these.setdefault((need.kind, need.key), need).names |= need.names
    if problems:
        raise Refused(*problems)
    return found


def _hosts(inventory: str, data: tuple[str, ...]) -> list[dict[str, Any]]:
    """Name, groups and data of each host, as pyinfra loads them; no host is connected to."""
    done = pyinfra("--json", *options((), data), inventory, "debug-inventory")
    last = (done.stdout.splitlines() or [""])[-1]  # the user's files may print before it
    check_read(done.stdout + done.stderr, inventory, loaded=done.returncode == 0 and last.startswith("["))
    hosts: list[dict[str, Any]] = json.loads(last)
    if not hosts:
        raise empty(inventory)
    return hosts


def _wanted(host: Mapping[str, Any], fleet: Collection[str]) -> tuple[Settings, Wanted]:
    """The settings of a host, and what it wants as if nothing were locked yet."""
    data = own_data(host["data"])
    return read(Settings, data, "group_data"), want(host["groups"], {**data, "lock": ""}, fleet, locking=True)


def _needs(wanted: Wanted) -> Iterator[Need]:
    """Of all its tiers: models that are not pinned where they are declared, and images by tag."""
    for one in (wanted, *wanted.smaller):
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
