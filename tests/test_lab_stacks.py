"""Every stack of the catalog on a host of its kind: it comes up, stays as it is, and answers what it is there for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.drive import ENV, Fleet, fresh
from tests.lab import Lab
from tests.lab.stacks import KNOWN, give

pytestmark = pytest.mark.lab
CHAT = (
    '-H "Content-Type: application/json" -d \'{"model": "MODEL", "messages": [{"role": "user", "content": "ping"}]}\''
)
EMBED = '-H "Content-Type: application/json" -d \'{"model": "nomic-embed-text-v1.5", "input": "some words"}\''
# By stack: a command on the host, and a piece of what it prints.
ANSWERS = {
    "ai-stack": [
        (f"curl -s http://127.0.0.1:11434/v1/chat/completions {CHAT.replace('MODEL', 'qwen2.5:0.5b')}", "pong from lab"),
        ("curl -s http://127.0.0.1:8081/ping; curl -sk -o /dev/null -w %{http_code} https://127.0.0.1:8443/", "OK404"),
        ("docker exec ai-stack-immich-postgres-1 psql -h 127.0.0.1 -U immich -c 'create extension vector'", "CREATE"),
    ],
    "cognitive-silo": [
        (f"curl -s http://127.0.0.1:4000/v1/chat/completions -H @/tmp/key {CHAT.replace('MODEL', name)}", "pong from lab")
        for name in ("deepseek-r1-32b", "deepseek-r1-70b", "deepseek-v2-16b")
    ]
    + [
        ("curl -s -o /dev/null -w %{http_code} http://127.0.0.1:4000/v1/models", "401"),
        ("curl -s -H @/tmp/key http://127.0.0.1:4000/v1/models", "whisper-turbo"),
    ],
    "monitor": [
        ("docker exec monitor-prometheus-1 wget -qO- '127.0.0.1:9090/api/v1/query?query=up==1'", '"job":"node"'),
        ("docker exec monitor-prometheus-1 promtool check rules /etc/prometheus/rules.yml", "SUCCESS"),
    ],
    "peregrine": [
        (f"curl -s http://127.0.0.1:11435/v1/chat/completions {CHAT.replace('MODEL', 'llama3.2:3b')}", "pong from lab"),
        (f"curl -s http://127.0.0.1:8002/v1/chat/completions {CHAT.replace('MODEL', 'look')}", "pong from lab"),
        ("cat /srv/gpufleet/data/peregrine/config/llm.yaml", "ollama_research"),
    ],
    "predict-otron": [(f"curl -s http://127.0.0.1:8080/v1/embeddings {EMBED} | grep -o '0[.]0' | wc -l", "768")],
    "predict-otron-ha": [("curl -s http://127.0.0.1:8080/health", "predict-otron")],
    "velesio": [
        (f"curl -s http://127.0.0.1:8000/v1/chat/completions -H @/tmp/token {CHAT}", "pong from lab"),
        (f"curl -s -o /dev/null -w %{{http_code}} http://127.0.0.1:8000/v1/chat/completions {CHAT}", "401"),
        ("curl -s http://127.0.0.1:9121/metrics", "redis_up 1"),
    ],
}  # fmt: skip
KEYS = f""". {ENV}; echo "Authorization: Bearer $LITELLM_MASTER_KEY" >/tmp/key
echo "Authorization: Bearer $API_TOKENS" >/tmp/token"""


@pytest.fixture(scope="module", params=ANSWERS)
def fleet(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    known = KNOWN[request.param]
    with fresh(lab, {known["host"]: known["card"]}) as fleet:
        give(known["host"], known["card"], request.param)
        yield fleet


def host(fleet: Fleet) -> str:
    return next(iter(fleet.wanted))


def stack(fleet: Fleet) -> str:
    return next(name for name, known in KNOWN.items() if known["host"] == host(fleet))


def test_a_stack_comes_up_and_stays_as_it_is(fleet: Fleet) -> None:
    run = fleet.converge()
    assert run.code == 0, run.output
    before = fleet.snapshot(host(fleet))
    again = fleet.converge("--json")
    assert again.totals["success"] == 0, again.output
    assert fleet.snapshot(host(fleet)) == before


def test_what_a_service_needs_was_healthy_before_it_started(fleet: Fleet) -> None:
    name = stack(fleet)
    told = fleet.lab.run(
        host(fleet), f"docker inspect $(docker ps -q --filter label=com.docker.compose.project={name})"
    )
    found = {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in json.loads(told.stdout)}
    file = fleet.lab.run(host(fleet), f"cd /srv/gpufleet/current; docker compose --env-file {ENV} config --format json")
    for service, declared in json.loads(file.stdout)["services"].items():
        for needed in declared.get("depends_on", {}):
            assert _started(found[needed]) < _started(found[service]), f"{service} before {needed}"


def _started(container: dict[str, dict[str, str]]) -> datetime:
    return datetime.fromisoformat(container["State"]["StartedAt"])


def test_nothing_else_listens(fleet: Fleet) -> None:
    listening = "ss -ltnH | awk '$4 !~ /^127/ {n = split($4, part, \":\"); print part[n]}' | sort -un"
    ports = {int(port) for port in fleet.lab.run(host(fleet), listening).stdout.split()}
    assert ports - {22} == set(KNOWN[stack(fleet)]["listens"])


def test_it_answers(fleet: Fleet) -> None:
    fleet.lab.run(host(fleet), KEYS)
    for command, piece in ANSWERS[stack(fleet)]:
        assert piece in fleet.lab.run(host(fleet), command, check=False).stdout, command
