"""A gateway on one host, and engines of others behind it: none of its requests fails while all of these are changed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from tests.drive import ENV, Fleet, Run, fresh
from tests.lab import Lab
from tests.lab.stacks import give

pytestmark = pytest.mark.lab
HEAD, FIRST, SECOND, LATE = "plhead", "plone", "pltwo", "pllate"
STREAM = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "ping"}], "max_tokens": 64}


class Pool:
    """A head and its workers."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.lab = fleet, fleet.lab

    def declare(self, *workers: str, **data: Any) -> None:
        give(HEAD, "cpu", "starter", "head", x_role="", **data)
        for name in workers:
            give(name, "cpu", "starter", "worker", **data)

    def converge(self, *hosts: str) -> Run:
        return self.fleet.converge("--json", *(word for host in hosts for word in ("--limit", host)))

    def ask(self, n: int) -> str:
        """One request, of every other one the answer token by token; what is wrong with it."""
        body = {**STREAM, "stream": bool(n % 2), "cache": {"no-cache": True}, "user": str(n)}
        told = f"curl -sS -m 120 -w '\\n%{{http_code}}' 127.0.0.1:4000/v1/chat/completions -d '{json.dumps(body)}'"
        head = '-H "Authorization: Bearer $LITELLM_MASTER_KEY" -H "Content-Type: application/json"'
        answer = self.lab.run(HEAD, f". {ENV}; {told} {head}", check=False).stdout
        whole = "[DONE]" in answer if n % 2 else "pong" in answer
        return "" if whole and answer.endswith("200") else answer

    def served(self, host: str) -> int:
        """Answers that a worker's engine has given since its start."""
        text = self.lab.run(host, "docker exec starter-llama-1 curl -s 127.0.0.1:8080/metrics").stdout
        return int(
            float(next(line.split()[1] for line in text.splitlines() if line.startswith("llamacpp:n_decode_total")))
        )

    def started(self, host: str, service: str) -> str:
        told = "docker inspect -f '{{.State.StartedAt}}' " + f"starter-{service}-1"
        return self.lab.run(host, told).stdout


@pytest.fixture(scope="module")
def pool(lab: Lab) -> Iterator[Pool]:
    with fresh(lab, {HEAD: "cpu", FIRST: "cpu", SECOND: "cpu", LATE: "cpu"}) as fleet:
        site = Pool(fleet)
        site.declare(FIRST, SECOND)
        run = site.converge(HEAD, FIRST, SECOND)
        assert run.code == 0, run.output
        yield site


def test_both_workers_answer(pool: Pool) -> None:
    assert not [wrong for n in range(16) if (wrong := pool.ask(n))]
    assert pool.served(FIRST)
    assert pool.served(SECOND)


def test_no_request_fails_while_every_worker_is_changed(pool: Pool) -> None:
    before = {host: pool.started(host, "llama") for host in (FIRST, SECOND)}
    pool.declare(FIRST, SECOND, options={"llama": {"context": 4096}})
    over, wrong, count = Event(), list[str](), 0

    def ask(start: int) -> int:
        n = start
        while not over.is_set():
            if found := pool.ask(n):
                wrong.append(f"{time.strftime('%X')} {found}")
            n += 3
        return (n - start) // 3

    with ThreadPoolExecutor() as threads:
        asking = [threads.submit(ask, start) for start in range(3)]
        run = pool.converge(HEAD, FIRST, SECOND)
        time.sleep(5)
        over.set()
        count = sum(one.result() for one in asking)
    assert run.code == 0, run.output
    assert all(pool.started(host, "llama") != before[host] for host in before)
    assert not wrong, wrong[:3]
    assert count > 20
    assert not pool.lab.run(HEAD, "ls /srv/gpufleet/data/pool").stdout
    assert pool.converge(HEAD, FIRST, SECOND).totals["success"] == 0


def test_one_worker_more_changes_itself_and_the_gateway(pool: Pool) -> None:
    before = {host: pool.fleet.snapshot(host) for host in (FIRST, SECOND)}
    redis = pool.started(HEAD, "redis")
    pool.declare(FIRST, SECOND, LATE, options={"llama": {"context": 4096}})
    run = pool.converge(HEAD, FIRST, SECOND, LATE)
    assert run.code == 0, run.output
    assert {host: pool.fleet.snapshot(host) for host in before} == before
    assert pool.started(HEAD, "redis") == redis
    assert not [wrong for n in range(24) if (wrong := pool.ask(n))]
    assert pool.served(LATE)
    assert pool.converge(HEAD, FIRST, SECOND, LATE).totals["success"] == 0


def test_a_worker_that_leaves_the_inventory_leaves_the_gateway(pool: Pool) -> None:
    give(LATE, "cpu", "starter", x_role="")
    pool.declare(FIRST, SECOND, options={"llama": {"context": 4096}})
    assert pool.converge(HEAD).code == 0
    address = pool.lab.hosts()[LATE].address
    assert address not in pool.lab.run(HEAD, "cat /srv/gpufleet/current/pool/nginx.conf").stdout
    assert not [wrong for n in range(6) if (wrong := pool.ask(n))]
