"""What a service needs done once in its container: done, found done, and what it says when it cannot be done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.catalog import OURS
from tests.drive import Fleet, converged, fresh, mirror
from tests.lab import Lab

pytestmark = pytest.mark.lab
HOST = "steps"
# The program asks for its password, as the step does.
FILL = "redis-cli -h redis set seed sown | grep -q OK && touch /data/sown"
ASK = {"name": "seed", "check": "test -e /data/sown", "run": f'export REDISCLI_AUTH="$REDIS_PASSWORD"; {FILL}'}


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, {HOST: "cpu"}) as fleet:
        yield fleet


def _stack(folder: Path, *steps: dict[str, Any]) -> list[str]:
    """Settings of a stack whose one service has these steps."""
    entry = yaml.safe_load((OURS / "services/redis.yaml").read_text())
    (folder / "services").mkdir(parents=True)
    (folder / "services/redis.yaml").write_text(yaml.safe_dump({**entry, "steps": list(steps)}))
    stack = folder / "sown.yaml"
    # The engine is there for the lab's own settings, which name it.
    services = {"redis": {"service": "redis"}, "llama": {"service": "llama-cpp", "model": "chat"}}
    models = {"chat": "qwen2.5-1.5b-instruct-q4-k-m"}
    stack.write_text(yaml.safe_dump({"title": "a store with a seed", "models": models, "services": services}))
    return ["--data", f"catalog={folder}", "--data", f"stack={stack}"]


def test_a_step_is_done_once_and_again_when_it_is_undone(fleet: Fleet, tmp_path: Path) -> None:
    stack = _stack(tmp_path, ASK)
    converged(fleet, HOST, *stack)
    fleet.lab.run(HOST, "rm /srv/gpufleet/data/redis/sown")
    before = fleet.snapshot(HOST).containers
    dry = fleet.pyinfra("--dry", "--json", "inventory/lab.py", "--limit", HOST, *mirror(), *stack, "deploy.py")
    changes = {o["names"][0] for o in json.loads(dry.stdout)["plan"] if o["hosts_with_change"]}
    assert changes == {"gpufleet | Do what services need once"}
    assert fleet.lab.run(HOST, "test -e /srv/gpufleet/data/redis/sown", check=False).returncode == 1
    converged(fleet, HOST, *stack)
    assert fleet.snapshot(HOST).containers == before


def test_a_step_that_fetches_says_how_far_it_is(fleet: Fleet, tmp_path: Path) -> None:
    long = "for n in $(seq 25); do dd if=/dev/zero bs=1M count=1 status=none >>/data/grown; sleep 1; done"
    measure = "du -sk /data/grown | cut -f 1"
    step = {"name": "grow", "check": "test $(stat -c %s /data/grown) -ge 25000000", "run": long, "measure": measure}
    run = fleet.converge("--limit", HOST, *mirror(), *_stack(tmp_path, step))
    assert run.code == 0, run.output
    assert "services/redis: step grow: " in run.output
    assert " MB, " in run.output
    assert "kB/s" in run.output or "MB/s" in run.output
    converged(fleet, HOST, *mirror(), *_stack(tmp_path / "again", step))


def test_a_step_that_fails_says_why_and_nothing_secret(fleet: Fleet, tmp_path: Path) -> None:
    step = {"name": "tell", "check": "test -e /data/told", "run": 'echo "the key $REDIS_PASSWORD does not fit"; exit 3'}
    run = fleet.converge("--limit", HOST, *_stack(tmp_path, step))
    secret = fleet.lab.run(HOST, ". /srv/gpufleet/.env; echo $REDIS_PASSWORD").stdout.strip()
    assert run.code == 1
    assert "services/redis: step tell: ended with 3; its last lines follow" in run.output
    assert "the key *** does not fit" in run.output
    assert secret not in run.output


def test_a_step_that_takes_too_long_or_does_nothing_is_no_success(fleet: Fleet, tmp_path: Path) -> None:
    never = {"name": "wait", "check": "test -e /data/waited", "run": "sleep 60", "deadline": 2}
    run = fleet.converge("--limit", HOST, *_stack(tmp_path, never))
    assert run.code == 1
    assert "services/redis: step wait: was not done in 2 s" in run.output
    (tmp_path / "more").mkdir()
    run = fleet.converge("--limit", HOST, *_stack(tmp_path / "more", {**never, "run": "true"}))
    assert run.code == 1
    assert "services/redis: step wait: has run, but is not complete" in run.output
