"""Stacks of the catalog on hosts of the lab: all as it is, but for the models, which are small."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gpufleet.catalog import Catalog

from .images import STAND_IN, here
from .lab import Lab
from .paths import REPOSITORY, RUN
from .pypi import URL
from .shell import LabError, replace
from .spec import read

KNOWN: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "stacks.yaml").read_text())
CATALOG, DATA = RUN / "catalog", RUN / "stacks.json"
SHAPE = {"layers": 2, "kv_heads": 2, "head_dim": 96, "context": 131072}


def write() -> None:
    """A catalog with every model of ours, but small, and with images that a registry of the lab can have."""
    told = json.loads((RUN / "models.json").read_text())
    catalog = Catalog()
    for name in catalog.names("models"):
        model = catalog.model(name)
        small = told["lab-eye.gguf" if "mmproj" in name else "lab-tiny.gguf"]
        source = {"pull": model.pull, "bytes": small["bytes"]} if model.pull else {"file": model.file, **small}
        shape = {"architecture": SHAPE} if model.architecture else {}
        _put("models", name, {**source, **shape, **model.model_dump(include={"licence"})})
    for name in catalog.names("services"):
        service = catalog.service(name)
        images = here(service)
        if images != service.image:
            told = service.model_dump(mode="json", exclude_unset=True, exclude={"build"})
            _put("services", name, {**told, "image": images})


def _put(kind: str, name: str, entry: Mapping[str, object]) -> None:
    (CATALOG / kind).mkdir(parents=True, exist_ok=True)
    replace(CATALOG / kind / f"{name}.yaml", yaml.safe_dump(dict(entry)))


def settings() -> dict[str, dict[str, Any]]:
    """What hosts shall run, by their names: data for inventory/lab.py."""
    return json.loads(DATA.read_text()) if DATA.exists() else {}


def give(host: str, profile: str, stack: str, *parts: str, **data: Any) -> None:
    """The settings of a host, in place of those of the stack `starter`; ``parts``: of a fleet, that it runs."""
    write()
    card = read(profile).profile
    role = "cpu" if card == "cpu" else "dual_gpu" if card.startswith("two-") else "single_gpu"
    told: dict[str, Any] = {"x_role": role, "catalog": str(CATALOG), "bind": "0.0.0.0", "stack": stack}
    told |= {"mirrors": {"pypi": URL}, "x_parts": parts, **KNOWN.get(stack, {}).get("data", {})}
    replace(DATA, json.dumps({**settings(), host: {**told, **data}}, indent=1))


def card(stack: str) -> str:
    """The profile of a host of its kind."""
    if stack not in KNOWN:
        what = f"no stack '{stack}'" if stack else "STACK is not given"
        raise LabError(f"{what}; use one of: {', '.join(KNOWN)}")
    return str(KNOWN[stack]["card"])


def bring_up(lab: Lab, stack: str, hosts: Mapping[str, str]) -> int:
    """Boot ``hosts`` (PROFILE by name; none: the one of stacks.yaml), converge ``stack`` and say what stands in."""
    hosts = hosts or {KNOWN[stack]["host"]: KNOWN[stack]["card"]}
    lab.up(hosts)
    for name, profile in hosts.items():
        give(name, profile, stack)
    limit = [word for name in hosts for word in ("--limit", name)]
    command = [str(Path(sys.executable).parent / "pyinfra"), "-y", "inventory/lab.py", *limit, "deploy.py"]
    done = subprocess.run(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, check=False)
    for name in hosts:
        print(f"lab: stand-ins on {name}: {', '.join(stand_ins(lab, name)) or 'none'}")
    print("lab: its models are tiny ones under their names: what a plan says of memory, sizes and tiers is of these")
    print(f"lab: again: {' '.join(['.venv/bin/pyinfra', *command[1:]])}; look: make lab-ssh HOST={next(iter(hosts))}")
    return done.returncode


def stand_ins(lab: Lab, host: str) -> list[str]:
    """Containers whose program is not the real one."""
    listed = f"docker ps -a --filter label={STAND_IN} --format '{{{{.Label \"com.docker.compose.service\"}}}}'"
    return sorted(lab.run(host, listed).stdout.split())
