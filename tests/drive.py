"""Driving pyinfra against lab hosts, as a user does: by its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from gpufleet.schema.distro import Vendor
from tests.lab import Lab, pypi
from tests.lab.paths import RUN
from tests.lab.shell import LabError, until

ROOT = Path(__file__).parent.parent
PYINFRA = str(Path(sys.executable).parent / "pyinfra")
MESSAGES = [{"role": "user", "content": "ping?"}]
QUESTION = json.dumps({"model": "chat", "messages": MESSAGES, "cache": {"no-cache": True}})
CHAT = """curl -fsS http://127.0.0.1:4000/v1/chat/completions -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
  -H "Content-Type: application/json" -d"""
ENV = "/srv/gpufleet/.env"
# The user's own: hosts that get their engine by a run reach docker.io's images through it.
FOREIGN = {"registry-mirrors": ["http://10.98.0.1:5000"], "log-level": "warn"}
DAEMON = "/etc/docker/daemon.json"


@dataclass(frozen=True)
class Run:
    """A finished run of pyinfra."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @cached_property
    def totals(self) -> dict[str, int]:
        """Of a run with --json: hosts, success (changed), error, no_change."""
        assert self.stdout, self.stderr
        return dict(json.loads(self.stdout)["results"]["totals"])

    @property
    def lines(self) -> list[str]:
        """Without pyinfra's indentation."""
        return [line.strip() for line in self.output.splitlines()]


@dataclass(frozen=True)
class Snapshot:
    """What a run with nothing to do must leave as it is."""

    containers: dict[str, str]
    env: str
    files: str


class Fleet:
    """Some hosts of the lab."""

    def __init__(self, lab: Lab, hosts: Mapping[str, str]) -> None:
        self.lab, self.wanted = lab, dict(hosts)

    def pyinfra(self, *args: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Run:
        done = subprocess.run(
            [PYINFRA, *args], cwd=cwd, env={**os.environ, **self.alone, **(env or {})}, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False,
        )  # fmt: skip
        return Run(done.returncode, done.stdout, done.stderr)

    def converge(self, *args: str) -> Run:
        return self.pyinfra("-y", "inventory/lab.py", *self.limit(args), *args, "deploy.py")

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """A run that goes on while the test does something to it."""
        quiet = subprocess.DEVNULL
        command = [PYINFRA, "-y", "inventory/lab.py", *self.limit(args), *args, "deploy.py"]
        env = {**os.environ, **self.alone}
        return subprocess.Popen(command, cwd=ROOT, env=env, stdin=quiet, stdout=quiet, stderr=quiet)

    @property
    def alone(self) -> dict[str, str]:
        """The inventory has no hosts of other tests."""
        return {"GPUFLEET_LAB_HOSTS": " ".join(self.wanted)}

    def limit(self, args: tuple[str, ...]) -> list[str]:
        """Other hosts of the lab are none of this fleet's business."""
        return [] if "--limit" in args else [word for host in self.wanted for word in ("--limit", host)]

    def ask(self, host: str) -> str:
        """What the model answers through the gateway."""
        answer = self.lab.run(host, f". {ENV}; {CHAT} '{QUESTION}'").stdout
        return str(json.loads(answer)["choices"][0]["message"]["content"])

    def status(self, host: str, path: str, header: str) -> int:
        """The HTTP status that the gateway gives."""
        return int(
            self.lab.run(
                host, f"curl -s -o /dev/null -w '%{{http_code}}' -H '{header}' http://127.0.0.1:4000{path}"
            ).stdout
        )

    def snapshot(self, host: str) -> Snapshot:
        # Where there is no Docker there is Podman.
        engine = "$(command -v dockerd >/dev/null && echo docker || echo podman)"
        told = "{{.Name}} {{.Id}} {{.State.StartedAt}} {{.RestartCount}}"
        ps = f"e={engine}; $e ps -aq | xargs -r $e inspect -f '{told}'"
        rows = (line.split(" ", 1) for line in self.lab.run(host, ps).stdout.splitlines())
        find = "find /srv/gpufleet /etc/docker -not -path '*/data/*' -printf '%p %m %U %G %T@ %l\\n' | sort"
        containers = {name.removeprefix("/"): rest for name, rest in rows}
        return Snapshot(containers, self.lab.run(host, f"cat {ENV}").stdout, self.lab.run(host, find).stdout)

    def model(self, name: str) -> dict[str, Any]:
        """Data for ``models`` that makes a file of the lab the model `chat`."""
        told = json.loads((RUN / "models.json").read_text())[name]
        shape = {"layers": 2, "kv_heads": 2, "head_dim": 96, "context": 2048}
        return {"chat": {"file": name, **told, "architecture": shape}}

    def wait_for(self, host: str) -> None:
        """Until every container is healthy."""
        command = "docker ps --format '{{.Status}}' | grep -c '(healthy)'"
        try:
            until(f"containers on {host}", lambda: self.lab.run(host, command, check=False).stdout.strip() == "3", 120)
        except LabError as error:
            said = self.lab.run(host, "docker ps -a; journalctl -b -u docker --no-pager | tail -n 30", check=False)
            raise LabError(f"{error}\n{said.stdout}{said.stderr}") from None


@contextmanager
def fresh(lab: Lab, hosts: Mapping[str, str]) -> Iterator[Fleet]:
    """Hosts as they were first made; they end with whoever asked for them."""
    if old := [h for h in hosts if h in lab.hosts()]:
        lab.down(*old)
    try:
        lab.up(hosts)
        yield Fleet(lab, hosts)
    finally:
        lab.down(*hosts)


def key(fleet: Fleet, host: str) -> str:
    """The gateway's key."""
    return fleet.lab.run(host, f". {ENV}; echo $LITELLM_MASTER_KEY").stdout.strip()


def mirror(**keys: str) -> list[str]:
    """Settings for the lab's stand-in of the vendors' repositories, which the lab's own key signs."""
    told = Lab().mirror()
    keys = {**dict.fromkeys(get_args(Vendor), told["fingerprint"]), **keys}
    return ["--data", f"mirrors={json.dumps({'packages': told['url'], 'keys': keys, 'pypi': pypi.URL})}"]


def furnish(fleet: Fleet, *hosts: str) -> None:
    """Give hosts that have no engine yet a user who has settings for it."""
    for host in hosts:
        fleet.lab.run(host, f"mkdir -p /etc/docker && echo '{json.dumps(FOREIGN)}' >{DAEMON}")


def cards(fleet: Fleet, host: str, container: str = "starter-llama-1") -> list[str]:
    """The nodes of NVIDIA's cards that a container has."""
    return fleet.lab.run(host, f"docker exec {container} sh -c 'ls /dev | grep -E \"^nvidia[0-9]\"'").stdout.split()


def converged(fleet: Fleet, host: str, *data: str) -> None:
    """The second run changes nothing."""
    run = fleet.converge("--limit", host, *mirror(), *data)
    assert run.code == 0, run.output
    before = fleet.snapshot(host)
    again = fleet.pyinfra("--json", "-y", "inventory/lab.py", "--limit", host, *mirror(), *data, "deploy.py")
    assert again.totals["success"] == 0, again.output
    assert fleet.snapshot(host) == before
