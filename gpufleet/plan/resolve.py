"""Resolve a wanted service at its place: everything filled in, nothing left to decide."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..errors import Problem, Refused
from ..schema import Directory, HostFacts, Mount, Output, PlannedService, PlannedStep, Step
from .access import access
from .build import image
from .fetch import of_weights
from .fill import fill
from .knobs import memory
from .ledger import MIB, mib
from .library import ident
from .need import evicted, need
from .place import Place, Placed
from .wanted import Wanted, WantedService
from .weights import Weights

# Live files, below data_root: no volume can have this name, and no release.
LIVE = "releases/.live"
# What a container has as its catalog entry says it.
AS_DECLARED = (
    "user", "entrypoint", "port", "ports", "tls", "healthcheck", "gate", "shm_mib", "stop_grace_period",
    "no_new_privileges", "capabilities", "host_network", "host_pid",
)  # fmt: skip


def resolve(
    host: str, wanted: Wanted, service: WantedService, placed: Placed, facts: HostFacts, urls: Mapping[str, str]
) -> PlannedService:
    """The service as ``host`` will run it; ``urls`` are those of all services."""
    entry, at = service.service, placed.places[service.name]
    where, first = f"services/{service.entry.service}", service.started_with
    if at.accelerator not in entry.accelerators:
        what, fix = f"there is none for {at.accelerator}", f"it has: {', '.join(entry.accelerators)}"
        raise Refused(Problem(f"{where}/image", what, fix))
    asks = _has_names(service)
    told = memory(service, wanted, placed) if asks or service.on_demand else {}
    names = {"host": host, **_names(wanted, service, placed, told, urls)} if asks else {}
    return PlannedService(
        name=service.name,
        kind=service.entry.service,
        model=first.name if first else None,
        model_digest=first.model.digest if first else None,
        models=tuple(w.name for w in service.weights),
        files=tuple(d.path for w in service.weights for d in of_weights(wanted, service, w)),
        pulled=service.pulled,
        pulled_bytes=sum(service.alone.values()),
        unloads=_unloads(service, told),
        image=image(wanted, service, at.accelerator),
        accelerator=at.accelerator,
        devices=tuple(card.identity or "" for card in at.cards),
        access=access(at.cards, entry, wanted, facts),
        reason=at.reason,
        command=tuple(fill(part, names, f"{where}/command/{i}") for i, part in enumerate(entry.command)),
        environment={k: fill(v, names, f"{where}/environment/{k}") for k, v in entry.environment.items()},
        labels={k: fill(v, names, f"{where}/labels/{k}") for k, v in _labels(service).items()},
        steps=_steps(service, names) if entry.steps else (),
        options=dict(service.options),
        mounts=mounts(wanted, service),
        url=urls[service.name],
        publish=service.publish,
        publish_more={number: entry.ports[name] for name, number in service.publish_more.items()},
        depends_on=tuple(n for n in service.entry.depends_on if n in {s.name for s in wanted.services}),
        memory_mib=_memory_mib(service, at),
        **{key: getattr(entry, key) for key in AS_DECLARED},
    )


def _steps(service: WantedService, names: Mapping[str, Any]) -> tuple[PlannedStep, ...]:
    """What is to be done in its container once it runs, in order; the first step for each model fetches it."""
    where, entry = f"services/{service.entry.service}/steps", service.service
    found, fetches = [], next((step for step in entry.steps if step.each == "model"), None)
    for step in entry.steps:
        for model in _each(step, service, names):
            told, at = {**names, "model": model}, f"{where}/{step.name}"
            words = {key: fill(getattr(step, key), told, f"{at}/{key}") for key in ("check", "run", "measure")}
            name = f"{step.name} {model['name']}" if step.each else step.name
            what = {"model": model["pull"], "bytes": model["bytes"]} if step is fetches else {}
            base = {"service": service.name, "name": name, "deadline": step.deadline}
            found.append(PlannedStep(**words, **base, **what))
    return tuple(found)


def _each(step: Step, service: WantedService, names: Mapping[str, Any]) -> list[Any]:
    """The models that a step is done for."""
    if step.each == "model":
        return [m for m in names["models"] if m["pull"] in service.alone]
    return [m for m in names["models"] if m["folder"]] if step.each else [names["model"]]


def _unloads(service: WantedService, memory: dict[str, int]) -> dict[str, tuple[str, ...]]:
    """By model on demand the residents that go for it."""
    if not memory.get("cards"):
        return {}
    found = {w.name: evicted(service, w, memory["own"] + memory["free"]) for w in service.on_demand}
    return {name: gone for name, gone in found.items() if gone}


def _labels(service: WantedService) -> dict[str, str]:
    return {**service.service.labels, **service.entry.labels}


@lru_cache(maxsize=4096)
def _has_names(service: WantedService) -> bool:
    """Whether there is anything to fill in: most programs have nothing."""
    entry = service.service
    return bool(entry.steps) or any(
        "{" in t for t in (*entry.command, *entry.environment.values(), *_labels(service).values())
    )


def _names(
    wanted: Wanted, service: WantedService, placed: Placed, told: dict[str, int], urls: Mapping[str, str]
) -> dict[str, Any]:
    models = [_told(w, service) for w in service.weights]
    return {
        "memory": told,
        "models": models,
        "accept": list(wanted.settings.accept),
        "accelerator": placed.places[service.name].accelerator,
        "bind": str(wanted.settings.bind),
        "model": models[0] if service.started_with else None,
        "options": dict(service.options),
        "https": next((f":{at}" for s in wanted.services if (at := s.publish_more.get("https", 443)) != 443), ""),
        "loads": {s.name: [_told(w, s) for w in s.weights] for s in (*wanted.services, *wanted.externals)},
        "mirrors": wanted.settings.mirrors.model_dump(),
        "service": {
            "name": service.name,
            "port": service.service.port,
            "publish": service.publish,
            "publish_more": dict(service.publish_more),
        },
        "urls": urls,
    }


def _told(weights: Weights, service: WantedService) -> dict[str, Any]:
    """A model, as a catalog entry can ask for it: ``file`` and ``folder`` are below the directory of models.

    ``pull``: what its program fetches it by, or Ollama calls it; ``id``: how Ollama shows its content, where known.
    """
    model = weights.model
    where = {"file": model.main(service.service.suffix), "folder": None if model.file else model.at or None}
    ollama = {"pull": service.pulled.get(weights.name), "id": ident(weights)} if service.service.library else {"id": ""}
    return {**model.model_dump(exclude={"files"}), **where, **ollama, "name": weights.name}


def _memory_mib(service: WantedService, at: Place) -> int:
    """The container's limit of host RAM: what it asks of it, and the largest model once more, mapped or reloaded."""
    model = max((mib(w.model.bytes) for w in service.weights), default=0)
    asked = need(service, 1)
    return service.service.memory_mib + model + (asked.mib + asked.turn_mib if at.accelerator == "cpu" else 0)


def mounts(wanted: Wanted, service: WantedService) -> tuple[Mount, ...]:
    """Bind mounts: data directories, where kept files are, the host's own paths, then the generated files.

    Those by way of ``current``; of live ones their folder, as a mounted file goes on to be the one that it was.
    """
    root = wanted.settings.data_root
    data = [Mount(source=f"{root}/{v.source}", target=v.target, read_only=v.read_only) for v in service.service.volumes]
    made = [o for o in outputs(wanted, service) if not o.keep]
    files = [Mount(source=f"{root}/current/{o.path}", target=o.target, read_only=True) for o in made if not o.live]
    folders = dict.fromkeys(o.target.rpartition("/")[0] for o in made if o.live)
    live = [Mount(source=f"{root}/{LIVE}/{service.name}", target=folder, read_only=True) for folder in folders]
    theirs = [Mount(**p.model_dump()) for p in service.service.host_paths]
    return (*data, *theirs, *files, *live)


def outputs(wanted: Wanted, service: WantedService) -> tuple[Output, ...]:
    """The generated files of a service."""
    if not service.service.files:
        return ()
    folders = {v.target: f"{wanted.settings.data_root}/{v.source}" for v in service.service.volumes}
    return tuple(
        Output(
            service=service.name,
            template=f.template,
            path=f"{service.name}/{name}",
            target=f.target,
            keep="/".join((folders[folder], name)) if f.keep else None,
            live=f.live,
        )
        for f in service.service.files
        for folder, _, name in [f.target.rpartition("/")]
    )


def kept(wanted: Wanted) -> tuple[str, ...]:
    """The files on the host that are kept, of every tier."""
    found = (o.keep for w in (wanted, *wanted.smaller) for s in w.services for o in outputs(w, s))
    return tuple(sorted({path for path in found if path}))


def directories(wanted: Wanted) -> tuple[Directory, ...]:
    """The directories a host needs, parents first; one that two services share keeps the first one's owner."""
    root = wanted.settings.data_root
    # Models are the user's as much as ours: theirs may be a share, or owned by the account that copies files there.
    keep = {wanted.models_dir: True, root: True}
    base = (root, f"{root}/releases", wanted.models_dir)
    found = {p: Directory(path=p, uid=0, gid=0, mode="0755", keep=keep.get(p, False)) for p in base}
    for service in wanted.services:
        for volume in service.service.volumes:
            for parent in _parents(volume.source):
                found.setdefault(f"{root}/{parent}", Directory(path=f"{root}/{parent}", uid=0, gid=0, mode="0755"))
            path = f"{root}/{volume.source}"
            found.setdefault(path, Directory(path=path, uid=volume.uid, gid=volume.gid, mode=volume.mode))
        if any(f.live for f in service.service.files):
            path = f"{root}/{LIVE}/{service.name}"
            found[path] = Directory(path=path, uid=0, gid=0, mode="0755")
    return tuple(found[path] for path in sorted(found))


def _parents(source: str) -> list[str]:
    parts = source.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def deadline(wanted: Wanted) -> int:
    """Seconds until everything must be healthy: the setting, plus loading all weights at 100 MiB/s (a slow disk)."""
    weights = sum(w.model.bytes for s in wanted.services for w in s.residents)
    return wanted.settings.health_deadline + weights // (100 * MIB)
