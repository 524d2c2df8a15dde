"""A host that keeps what two bare ones fetch, and a Hub that counts what it sends."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from gpufleet.schema.distro import Vendor
from tests.declared import HOLDER, sent, words, write
from tests.drive import Fleet, Run
from tests.lab import Lab, pypi
from tests.lab.paths import GATEWAY, REGISTRY

CACHE, FIRST, SECOND = "cachehub", "cachea", "cacheb"
HOSTS = {CACHE: "cpu", FIRST: "cpu+none", SECOND: "cpu+none"}
TOKEN = "hf_nobodyshouldseethis"
FILES = {f"model-{n}.gguf": random.Random(n).randbytes(24_000_000) for n in (1, 2)}
GATED = {"gated.gguf": random.Random(3).randbytes(5_000_000)}
SENT = {name: len(data) for name, data in {**FILES, **GATED}.items()}
LAYER = 30_000_000
APP = {"title": "An image of its own, which has models", "image": {"cpu": "ghcr.io/acme/app:1"}, **HOLDER}


@dataclass
class Site:
    """A host that keeps, and two that are bare; a Hub that counts what it sends."""

    fleet: Fleet
    catalog: Path
    hub: str

    @property
    def lab(self) -> Lab:
        return self.fleet.lab

    @property
    def at(self) -> str:
        return self.lab.hosts()[CACHE].address

    def keep(self, limit: int = 1000) -> Run:
        """Converge the host that keeps; what is of the internet is of the lab."""
        room = {"limit_mib": limit, "free_mib": 100}
        options: dict[str, Any] = {
            f"images-{n}": {"from": f"http://{REGISTRY}"} for n in ("docker", "ghcr", "quay", "nvcr")
        }
        options |= {"hub-cache": {"hub": self.hub, **room}, "image-cache": room}
        debian = {name: f"http://{GATEWAY}:3142/{name}" for name in ("deb.debian.org", "security.debian.org")}
        vendor = {"download.docker.com": f"{self.lab.mirror()['url']}/download.docker.com"}
        options["package-cache"] = {"hosts": {**debian, **vendor}, **room}
        return self._converge(CACHE, {"stack": "cache", "models": {}, "options": options})

    def fetch(self, host: str) -> Run:
        return self._converge(host, self.data)

    def start(self, host: str) -> subprocess.Popen[bytes]:
        return self.fleet.start("--limit", host, *words(self.data))

    @property
    def data(self) -> dict[str, Any]:
        keys = dict.fromkeys(get_args(Vendor), self.lab.mirror()["fingerprint"])
        here = {"huggingface": 8090, "registry": 5000, "packages": 3142}
        mirrors = {name: f"http://{self.at}:{port}" for name, port in here.items()}
        told = {"stack": "app", "catalog": str(self.catalog), "models": {}, "options": {}, "engine_from": "docker"}
        return {**told, "mirrors": {**mirrors, "keys": keys, "pypi": pypi.URL}, "secrets": {"HF_TOKEN": "env:HF_TOKEN"}}

    def _converge(self, host: str, data: Mapping[str, Any]) -> Run:
        return self.fleet.converge("--json", "--limit", host, *words(data))

    def run(self, host: str, command: str) -> str:
        return self.lab.run(host, command, check=False).stdout

    def models(self, host: str) -> dict[str, str]:
        told = self.run(host, "cd /srv/gpufleet/models && sha256sum *.gguf").splitlines()
        return {name: digest for digest, name in (line.split() for line in told)}

    def sent(self) -> dict[str, int]:
        """Bytes of models that the Hub sent since it was asked last, by file."""
        return sent(self.hub, 1)

    def received(self) -> int:
        """Bytes that the host which keeps has received."""
        return int(self.run(CACHE, "awk '$1 == \"host0:\" {print $2}' /proc/net/dev"))


def declare(catalog: Path, commits: Mapping[str, str]) -> None:
    names = [file.partition(".")[0] for file in SENT]
    for file, data in {**FILES, **GATED}.items():
        repo = "acme/gated" if file in GATED else "acme/open"
        told = {"repo": repo, "revision": commits[repo], "file": file, "gated": file in GATED}
        sha256 = hashlib.sha256(data).hexdigest()
        write(catalog, f"models/{file.partition('.')[0]}", {**told, "bytes": len(data), "sha256": sha256})
    write(catalog, "services/app", APP)
    stack = {"title": "one", "services": {"app": {"service": "app", "models": names}}}
    write(catalog, "stacks/app", {**stack, "models": {name: name for name in names}})
