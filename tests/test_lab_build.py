"""Images that no registry has, end to end: built on the host once, and again when what they are made of changes."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.schema import Forecast, HostForecast
from tests.drive import Fleet, Run, fresh
from tests.lab import Lab
from tests.lab.paths import GATEWAY
from tests.lab.running import free_port, running
from tests.test_lab_plan import plan

pytestmark = pytest.mark.lab
HOST, PODMAN = "build1", "build2"
# The first RUN is a program of the image: nothing of it needs the network.
DOCKERFILE = """FROM docker.io/library/python:3.13.15-slim-trixie
ARG SIGN
RUN mkdir /site && echo "$SIGN" >/site/sign
COPY site/word /site/
CMD ["python3", "-m", "http.server", "-d", "/site", "8000"]
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class App:
    """A stack of one program of ours and one of others, with a catalog of its own."""

    fleet: Fleet
    catalog: Path
    host: str = HOST
    more: tuple[str, ...] = ()

    def declare(self, files: Mapping[str, str], **build: Any) -> None:
        url, build = "http://127.0.0.1:8000/word", build if "context" in build else {"folder": "app", **build}
        app = {
            "title": "says a word",
            "build": {"cpu": {"args": {"SIGN": "it's $mine"}, **build}},
            "user": "1000:1000",
            "port": 8000,
            "healthcheck": {
                "test": ["CMD-SHELL", f"python3 -c 'import urllib.request as u; u.urlopen(\"{url}\")'"],
                "interval": 2,
                "timeout": 60,
            },
        }
        stack = {
            "title": "two",
            "services": {"app": {"service": "app", "publish": 8000}, "redis": {"service": "redis"}},
        }
        told = {"services/app.yaml": yaml.safe_dump(app), "one.yaml": yaml.safe_dump(stack)}
        for path, text in (*told.items(), *((f"images/app/{path}", text) for path, text in files.items())):
            (self.catalog / path).parent.mkdir(parents=True, exist_ok=True)
            (self.catalog / path).write_text(text)

    @property
    def word(self) -> str:
        return self.run("curl -s 127.0.0.1:8000/word")

    def settings(self, *more: str) -> list[str]:
        told = {"catalog": self.catalog, "stack": self.catalog / "one.yaml", "models": "{}", "options": "{}"}
        return [*(word for key, value in told.items() for word in ("--data", f"{key}={value}")), *self.more, *more]

    def converge(self, *more: str) -> Run:
        return self.fleet.converge(*self.settings(*more))

    def foretold(self, *more: str) -> tuple[int, HostForecast]:
        run = plan(self.fleet, "--json", *self.settings(*more))
        return run.code, Forecast.model_validate_json(run.stdout).hosts[self.host]

    def run(self, command: str) -> str:
        return self.fleet.lab.run(self.host, command, check=False).stdout

    @property
    def containers(self) -> dict[str, str]:
        """Their ids by service."""
        return {n.split("-")[1]: told.split()[0] for n, told in self.fleet.snapshot(self.host).containers.items()}

    @property
    def images(self) -> set[str]:
        """Those of the app, on the host."""
        return set(self.run("docker image ls --format '{{.Repository}}:{{.Tag}}' gpufleet.local/app").split())

    def settled(self, *more: str) -> None:
        """Another run changes nothing, and that is foretold."""
        before = self.fleet.snapshot(self.host)
        assert self.converge("--json", *more).totals["success"] == 0
        code, found = self.foretold(*more)
        assert (code, found.builds, self.fleet.snapshot(self.host)) == (0, (), before)


@pytest.fixture(scope="module")
def app(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with fresh(lab, {HOST: "cpu"}) as fleet:
        yield App(fleet, tmp_path_factory.mktemp("catalog"))


def test_an_image_is_built_once(app: App) -> None:
    app.declare({"Dockerfile": DOCKERFILE, "site/word": "one\n"})
    code, found = app.foretold()
    assert (code, [b.source for b in found.builds], app.images) == (2, ["images/app"], set())
    assert not {b.image for b in found.builds} & {p.image for p in found.images}, "nobody pulls it"
    run = app.converge()
    assert run.code == 0, run.output
    assert app.images == {b.image for b in found.builds}
    assert app.run("curl -s 127.0.0.1:8000/word 127.0.0.1:8000/sign") == "one\nit's $mine\n"
    app.settled()


def test_a_mirror_is_not_asked_for_it(app: App) -> None:
    found = app.foretold("--data", 'mirrors={"registry": "mirror.lan:5000"}')[1]
    assert (found.builds, [p.services for p in found.images]) == ((), [("redis",)])


def test_what_changes_is_built_and_nothing_else_is_made_anew(app: App) -> None:
    before = app.containers
    app.declare({"site/word": "two\n"})
    code, found = app.foretold()
    assert (code, len(found.builds), found.images) == (2, 1, ())
    assert [(c.service, c.action) for c in found.containers] == [("app", "recreate")]
    run = app.converge()
    assert run.code == 0, run.output
    assert {name for name, id_ in app.containers.items() if before[name] != id_} == {"app"}
    assert (app.word, len(app.images)) == ("two\n", 2)
    app.settled()


@pytest.mark.parametrize(
    ("files", "build", "line"),
    [
        ({"Dockerfile": f"{DOCKERFILE}RUN echo why; exit 3\n"}, {}, "returned a non-zero code: 3"),
        ({"Dockerfile": DOCKERFILE.replace("3.13.15", "0.1")}, {}, "registry-1.docker.io"),
        ({"Dockerfile": f"{DOCKERFILE}RUN sleep 600\n"}, {"deadline": 3}, "not done in 3 s"),
        (
            {},
            {"context": f"https://github.com/o/app.git#{COMMIT}"},
            f"http://127.0.0.1:9/o/app/archive/{COMMIT}.tar.gz",
        ),
    ],
)
def test_what_cannot_be_built_fails_in_one_message_and_the_old_release_goes_on(
    app: App, files: dict[str, str], build: dict[str, Any], line: str
) -> None:
    before, images = app.containers, app.images
    app.declare(files, **build)
    offline = ("--data", 'mirrors={"github": "http://127.0.0.1:9"}')
    assert len(app.foretold(*offline)[1].builds) == 1
    run = app.converge(*offline)
    assert run.code == 1
    said = [x for x in run.lines if "images: cannot build gpufleet.local/app:" in x]
    assert len(said) == 1, run.output
    assert line in said[0], said
    assert "Traceback" not in run.output
    assert (app.containers, app.images, app.word) == (before, images, "two\n")
    assert app.run("ls -A /srv/gpufleet/releases | grep build") == ""
    app.declare({"Dockerfile": DOCKERFILE})
    assert app.converge().code == 0
    app.settled()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """A repository's archive at one commit, as GitHub has it: everything in one folder."""
    path = tmp_path / "o" / "App" / "archive" / f"{COMMIT}.tar.gz"
    path.parent.mkdir(parents=True)
    stages = f"{DOCKERFILE.replace('-trixie', '-trixie AS site')}\nFROM docker.io/library/none:0\n"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("docker/Dockerfile", stages), ("site/word", "three\n")):
            info = tarfile.TarInfo(f"App-{COMMIT}/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    port = free_port()
    command = (sys.executable, "-m", "http.server", str(port), "--bind", GATEWAY, "--directory", str(tmp_path))
    with running(*command, cwd=tmp_path, port=port, address=GATEWAY):
        yield f"http://{GATEWAY}:{port}"


def test_a_repository_is_built_at_its_commit(app: App, archive: str) -> None:
    context = f"https://github.com/o/App.git#{COMMIT}"
    app.declare({}, context=context, dockerfile="docker/Dockerfile", target="site")
    mirror = ("--data", f'mirrors={{"github": "{archive}"}}')
    assert [b.source for b in app.foretold(*mirror)[1].builds] == [f"https://github.com/o/App at {COMMIT[:12]}"]
    run = app.converge(*mirror)
    assert run.code == 0, run.output
    assert app.word == "three\n"
    app.settled()
    # Upstream's Dockerfile will not do: one of the catalog.
    app.declare(
        {"own/Dockerfile": f"{DOCKERFILE}RUN echo ours >/site/word\n"},
        folder="app",
        context=context,
        dockerfile="own/Dockerfile",
    )
    run = app.converge(*mirror)
    assert run.code == 0, run.output
    assert app.word == "ours\n"
    app.settled()


def test_podman_builds_it_too(lab: Lab, tmp_path: Path) -> None:
    with fresh(lab, {PODMAN: "cpu+podman"}) as fleet:
        app = App(fleet, tmp_path, PODMAN, ("--data", "engine=podman"))
        app.declare({"Dockerfile": DOCKERFILE, "site/word": "one\n"})
        run = app.converge()
        assert run.code == 0, run.output
        assert app.word == "one\n"
        app.settled()
