"""A file that its user and a program write too, end to end: our keys are set in it, and nothing else of it changes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
import yaml

from tests.conftest import CASES
from tests.drive import Fleet, Run, fresh
from tests.lab import Lab
from tests.test_lab_plan import plan

pytestmark = pytest.mark.lab
HOST = "kept1"
FILE = "/srv/gpufleet/app/llm.yaml"
BEFORE, OURS, AFTER = (CASES.joinpath("kept/llm", f"{name}.yaml").read_text() for name in ("before", "ours", "after"))
# As programs do: it reads its file when it starts, and writes what it has when it ends.
PROGRAM = """cp /config/llm.yaml /tmp/read; trap 'cp /tmp/read /config/llm.yaml; exit' TERM; redis-server & wait"""


@dataclass(frozen=True)
class App:
    """A stack of one program, with a catalog and a template of its own."""

    fleet: Fleet
    catalog: Path

    def declare(self, ours: str = OURS, **changes: Any) -> None:
        service = {
            "title": "reads and writes a file",
            "image": {"cpu": "docker.io/library/redis:8.2.1"},
            "command": ["sh", "-c", PROGRAM],
            "port": 6379,
            "volumes": [{"source": "app", "target": "/config"}],
            "files": [{"template": "llm.yaml.j2", "target": "/config/llm.yaml", "keep": True}],
            "healthcheck": {"test": ["CMD-SHELL", "redis-cli ping | grep -q PONG"], "interval": 1, "start_period": 60},
        }
        stack = {"title": "one program", "services": {"app": {"service": "app"}}}
        for path, text in (
            ("services/app.yaml", yaml.safe_dump({**service, **changes})),
            ("one.yaml", yaml.safe_dump(stack)),
            ("templates/llm.yaml.j2", ours),
        ):
            (self.catalog / path).parent.mkdir(exist_ok=True)
            (self.catalog / path).write_text(text)

    @property
    def settings(self) -> list[str]:
        told = {"catalog": self.catalog, "stack": self.catalog / "one.yaml", "models": "{}", "options": "{}"}
        return [word for key, value in told.items() for word in ("--data", f"{key}={value}")]

    def converge(self, *args: str) -> Run:
        return self.fleet.converge(*self.settings, *args)

    def plan(self) -> Run:
        return plan(self.fleet, *self.settings)

    def write(self, text: str) -> None:
        self.fleet.lab.run(HOST, f"printf %s {quote(text)} >{FILE}")

    def read(self, path: str = FILE) -> str:
        return self.fleet.lab.run(HOST, f"cat {path}").stdout

    def reads(self) -> str:
        """What the program has read."""
        return self.fleet.lab.run(HOST, "docker exec one-app-1 cat /tmp/read").stdout

    def settled(self) -> None:
        """Another run changes nothing."""
        before = self.fleet.snapshot(HOST)
        assert self.converge("--json").totals["success"] == 0
        assert (self.fleet.snapshot(HOST), self.plan().code) == (before, 0)


@pytest.fixture(scope="module")
def app(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with fresh(lab, {HOST: "cpu"}) as fleet:
        yield App(fleet, tmp_path_factory.mktemp("catalog"))


def test_a_host_without_the_file_gets_ours(app: App) -> None:
    app.declare()
    run = app.converge()
    assert run.code == 0, run.output
    assert (app.read(), app.reads()) == (OURS, OURS)
    app.settled()


def test_our_keys_are_set_and_all_else_stays(app: App) -> None:
    app.write(BEFORE.replace("__auto__", "secret-of-mine"))
    app.fleet.lab.run(HOST, f"chown 7:8 {FILE}; chmod 640 {FILE}")
    told = app.plan()
    keys = "backends/ollama/base_url, backends/vllm/base_url, backends/vllm_research, research_fallback_order"
    assert (told.code, f"{FILE}: {keys} not as planned" in " ".join(told.output.split())) == (2, True), told.output
    # The program writes what it has read when it ends: a file that is written before would not stay.
    app.fleet.lab.run(HOST, f"docker cp {FILE} one-app-1:/tmp/read")
    run = app.converge("-vvv")
    assert run.code == 0, run.output
    assert "secret-of-mine" not in told.output + run.output
    want = AFTER.replace("__auto__", "secret-of-mine", 1)
    assert (app.read(), app.reads()) == (want, want)
    assert app.fleet.lab.run(HOST, f"stat -c '%u %g %a' {FILE}").stdout.split() == ["7", "8", "640"]
    app.settled()


def test_a_foreign_key_is_no_drift_and_ours_is_mended(app: App) -> None:
    app.write(AFTER)
    before = app.fleet.snapshot(HOST).containers
    app.write(AFTER.replace("busy", "away").replace("llama3.1:8b", "llama3.2:3b"))
    app.settled()
    assert app.fleet.snapshot(HOST).containers == before
    app.write(AFTER.replace("http://ollama:11434", "http://elsewhere:1"))
    app.fleet.lab.run(HOST, f"docker cp {FILE} one-app-1:/tmp/read")
    said = app.fleet.pyinfra("-y", "inventory/lab.py", "--limit", HOST, *app.settings, "gpufleet.deploys.doctor").output
    assert "backends/ollama/base_url" in said, said
    assert app.converge().code == 0
    assert (app.read(), app.reads()) == (AFTER, AFTER)
    assert app.fleet.snapshot(HOST).containers != before


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (f"printf 'a: 1\nb: [\n' >{FILE}", f"{FILE}:3:1: malformed YAML: expected the node content"),
        (f"ln -sf /etc/shadow {FILE}", f"{FILE}: is a symbolic link, not a file; put a text file there"),
        (f"rm {FILE}; mkfifo {FILE}", f"{FILE}: is a fifo, not a file; put a text file there"),
        (f"printf 'backends: [a]\n' >{FILE}", f"{FILE}/backends: is no mapping of keys; write `{{...}}`"),
    ],
)
def test_what_cannot_be_read_is_refused_and_left(app: App, spoil: str, line: str) -> None:
    app.fleet.lab.run(HOST, spoil)
    before = app.fleet.snapshot(HOST)
    run = app.converge()
    assert run.code == 1
    assert len([x for x in run.lines if line in x]) == 1, run.output
    assert "Traceback" not in run.output
    assert (app.fleet.snapshot(HOST), app.plan().code) == (before, 3)
    app.fleet.lab.run(HOST, f"rm {FILE}")
    app.write(AFTER)


def test_a_release_that_fails_gives_the_file_back(app: App) -> None:
    app.declare(OURS.replace("http://vllm", "http://other"), healthcheck={"test": ["CMD", "false"], "interval": 1})
    run = app.converge("--data", "health_deadline=10")
    assert run.code == 1
    assert "is back and healthy" in run.output, run.output
    assert (app.read(), app.reads()) == (AFTER, AFTER)
    app.declare()
    assert app.converge().code == 0
    app.settled()


def test_a_killed_run_is_finished_by_the_next(app: App) -> None:
    for delay in (2, 3, 4, 6):
        app.write(BEFORE)
        app.fleet.lab.run(HOST, f"docker cp {FILE} one-app-1:/tmp/read")
        run = app.fleet.start("--limit", HOST, *app.settings)
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
        run.wait()
        again = app.converge()
        assert again.code == 0, f"killed after {delay} s: {again.output}"
        assert (app.read(), app.reads()) == (AFTER, AFTER)
        app.settled()
