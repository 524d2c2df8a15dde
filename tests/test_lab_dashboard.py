"""The dashboard of cognitive-silo in a real browser of another machine, served by a real nginx as its user."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.lab.browser import Browser, browser
from tests.lab.shell import run, until
from tests.lab.site import Site, inside, release, serving
from tests.lab.trees import overlay, web_tree
from tests.test_stacks import planned

pytestmark = pytest.mark.lab
CARD = {"mib": 49136, "vendor": "amd", "name": "AMD Radeon PRO W7900"}
SILO = {"stack": "cognitive-silo", "role": "single_gpu", "cards": [CARD], "data": {"services": {"gpu-exporter": True}}}
LOADED = [
    {"name": "deepseek-r1:32b", "size": 22 << 30, "size_vram": 22 << 30},
    {"name": "deepseek-v2:16b", "size": 10 << 30, "size_vram": 9 << 30},
]
AMD = 'gpu_used_vram{gpu_id="0"} 32768\ngpu_total_vram{gpu_id="0"} 49136\ngpu_gfx_activity{gpu_id="0"} 87\n'
NVIDIA = """# HELP nvidia_smi_memory_used_bytes memory.used [MiB]
nvidia_smi_memory_used_bytes{uuid="df6e7a7c"} 1.073741824e+10
nvidia_smi_memory_total_bytes{uuid="df6e7a7c"} 2.5757220864e+10
nvidia_smi_utilization_gpu_ratio{uuid="df6e7a7c"} 0.07
nvidia_smi_temperature_gpu{uuid="df6e7a7c"} 41
"""
# One is well, one fails, one never answers, one has a closed port, and one has no name: it is not running.
ANSWERS: dict[str, dict[str, Any]] = {
    "ollama:11434": {"/api/version": [200, "{}"], "/api/ps": [200, json.dumps({"models": LOADED})]},
    "open-webui:8080": {"/health": [200, '{"status": true}']},
    "litellm:4000": {"/health/readiness": [500, "no database"]},
    "speaches:8000": {"/health": None},
    "gpu-exporter:5000": {"/metrics": [200, AMD]},
}
CLOSED = ("qdrant",)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    answers = json.loads(json.dumps(ANSWERS))
    site = Site(planned(SILO), tmp_path_factory.mktemp("dashboard"), answers, CLOSED)
    with serving(site, "/services/gpu-exporter"):
        yield site


@pytest.fixture(scope="module")
def window(page: Site) -> Iterator[Browser]:
    """A browser that knows the host by a name of its own, as a laptop in a private network does."""
    with browser(page.folder, {"silo.lan": f"{page.net}.2"}) as window:
        window.size(1600, 1100)
        window.open("http://silo.lan:8080/")
        until("the page's first round", lambda: "asked are healthy" in window.text("#count"))
        yield window


def states(window: Browser) -> dict[str, str]:
    """What the page says of each service."""
    script = (
        "return [...document.querySelectorAll('.box')].map(b => [b.querySelector('h3'), b.querySelector('.state')])"
    )
    return dict(window.run(f"{script}.filter(([, state]) => state).map(both => both.map(e => e.innerText))"))


def test_what_is_well_and_what_is_not(window: Browser) -> None:
    found = states(window)
    healthy = {name for name, state in found.items() if state.startswith("✓ healthy, ") and state.endswith(" ms")}
    assert healthy == {"ollama", "open-webui", "gpu-exporter"}
    assert {name: state for name, state in found.items() if name not in healthy} == {
        "litellm": "✗ down: HTTP 500",
        "speaches": "✗ down: no answer within 4 s",
        "qdrant": "✗ down: does not answer",
        "comfyui": "✗ down: does not answer",
        "postgres": "not asked: it speaks no HTTP",
        "redis": "not asked: it speaks no HTTP",
    }
    assert window.text("#count") == "3 of 7 asked are healthy"


def test_a_card_and_its_models(window: Browser, page: Site) -> None:
    assert window.text(".used") == "32.0 GiB used of 48.0 GiB"
    assert (window.text(".busy"), window.text(".heat")) == ("87 %", "not measured")
    assert window.text(".models") == "deepseek-r1:32b 22.0 GiB, deepseek-v2:16b 10.0 GiB (9.0 GiB of it on the card)"
    assert window.text(".source") == "Measured by gpu-exporter, models from Ollama"
    page.answer("gpu-exporter:5000", "/metrics", [200, NVIDIA])
    page.answer("ollama:11434", "/api/ps", [200, json.dumps({"models": []})])
    until("the next round", lambda: window.text(".busy") == "7 %")
    assert (window.text(".used"), window.text(".heat")) == ("10.0 GiB used of 24.0 GiB", "41 °C")
    assert window.text(".models") == "none loaded"
    page.answer("gpu-exporter:5000", "/metrics", [500, ""])
    page.answer("ollama:11434", "/api/ps", [200, "<html>"])
    until("the next round", lambda: window.text(".busy") == "not measured")
    assert window.text(".numbers") == "gpu-exporter: HTTP 500 (the memory is older)"
    assert window.text(".models") == "cannot be asked: not the answer of Ollama"
    page.answer("gpu-exporter:5000", "/metrics", [200, AMD])
    page.answer("ollama:11434", "/api/ps", [200, json.dumps({"models": LOADED})])


def test_what_comes_back_is_seen(window: Browser, page: Site) -> None:
    page.answer("litellm:4000", "/health/readiness", [200, "{}"])
    until("the next round", lambda: states(window)["litellm"].startswith("✓ healthy"))
    page.answer("litellm:4000", "/health/readiness", [500, ""])


def test_what_cannot_be_asked_is_said(window: Browser, page: Site) -> None:
    said = "return document.getElementById('alert').checkVisibility()"
    assert not window.run(said)
    page.plug(up=False)
    try:
        until("the alert", lambda: bool(window.run(said)))
        assert "the dashboard itself has not answered since" in window.text("#alert")
        assert window.run("return getComputedStyle(document.querySelector('main')).opacity") == "0.6"
    finally:
        page.plug(up=True)
    until("the next round", lambda: not window.run(said))
    assert states(window)["ollama"].startswith("✓ healthy")


def test_links_have_the_name_by_which_the_page_was_opened(window: Browser) -> None:
    links = window.run("return [...document.querySelectorAll('a[data-here]')].map(a => a.href)")
    assert links == ["http://silo.lan:4000/", "http://silo.lan:3000/"]


def test_nothing_is_asked_of_others(window: Browser) -> None:
    names = window.run("return performance.getEntriesByType('resource').map(e => new URL(e.name).origin)")
    assert set(names) == {"http://silo.lan:8080"}


def test_it_is_for_everybody(window: Browser) -> None:
    assert window.barriers() == {}
    assert [window.tab() for _ in range(3)] == ["Open litellm", "Open open-webui", "Continue's configuration"]


@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits(window: Browser, width: int) -> None:
    window.size(width, 1100)
    try:
        wide = window.run("const d = document.documentElement; return [d.scrollWidth, d.clientWidth, innerWidth]")
        assert wide[0] <= wide[1] <= width
    finally:
        window.size(1600, 1100)


def test_services_are_asked_as_by_a_stranger(page: Site, window: Browser) -> None:
    """Cookies of a host go to all its ports: what Open WebUI gave the browser is for nobody else."""
    told = {"Cookie": "token=secret", "Authorization": "Bearer secret"}
    assert page.ask("HEAD", "/services/open-webui?more=1", headers=told).status_code == 200
    assert {tuple(line[1:3]) for line in page.asked} <= {
        ("GET", path) for path in ("/api/version", "/api/ps", "/health", "/health/readiness", "/metrics")
    }
    assert {name for line in page.asked for name in line[3]} == {"connection", "host"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/loaded/ollama", 403), ("DELETE", "/loaded/ollama", 403), ("GET", "/services/open-webui", 403),
        ("GET", "/services/ollama/../../api/tags", 404), ("GET", "/loaded/ollama/", 404), ("GET", "/api/tags", 404),
        ("GET", "/loaded/qdrant", 404), ("GET", "/cards/ollama", 404), ("POST", "/", 403), ("GET", "/files/", 403),
        ("GET", "/files/../index.html", 404), ("GET", "/index.html", 404), ("PUT", "/files/continue.yaml", 403),
    ],
)  # fmt: skip
def test_nothing_else_is_reached(page: Site, method: str, path: str, status: int) -> None:
    before = len(page.asked)
    assert page.ask(method, path).status_code == status
    assert not [line for line in page.asked[before:] if line[1] != "GET" or line[2] not in known(page)]


def known(page: Site) -> set[str]:
    return {path for paths in page.answers.values() for path in paths} | {"/api/ps"}


def test_an_answer_gives_nothing_away(page: Site) -> None:
    answer = page.ask("GET", "/loaded/ollama")
    assert answer.json()["models"]
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.ask("HEAD", "/services/litellm").content == b""


def test_files_name_the_host_as_it_was_asked(page: Site) -> None:
    for host, wanted in (("silo.lan:8080", "silo.lan"), ("10.0.0.9", "10.0.0.9"), ("a}b", "127.0.0.1")):
        text = page.ask("GET", "/files/continue.yaml", headers={"Host": host}).text
        assert {m["apiBase"] for m in yaml.safe_load(text)["models"]} == {f"http://{wanted}:4000/v1"}
    assert "GPUFLEET_HOST" not in text
    assert page.ask("GET", "/files/hardware-agent.md").text.startswith("You help with embedded hardware")


def test_the_picture_in_the_docs(page: Site, window: Browser) -> None:
    """`UPDATE_IMAGES=1` takes it anew."""
    picture = ROOT / "docs/images/dashboard.png"
    if os.environ.get("UPDATE_IMAGES"):
        page.answer("gpu-exporter:5000", "/metrics", [200, f'{AMD}gpu_junction_temperature{{gpu_id="0"}} 64\n'])
        page.answer("speaches:8000", "/health", [200, ""])
        page.answer("litellm:4000", "/health/readiness", [200, ""])
        window.size(1200, 900)
        window.open("http://silo.lan:8080/")
        until("the page's first round", lambda: "5 of 7" in window.text("#count"))
        picture.parent.mkdir(exist_ok=True)
        window.shot(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "images/dashboard.png" in (ROOT / "docs/stacks/cognitive-silo.md").read_text()


@pytest.mark.parametrize(
    ("stack", "data"),
    [
        ("cognitive-silo", {"external": {"ollama": "http://127.0.0.1:11434"}}),
        ("cognitive-silo", {"external": {"ollama": "https://gpu2.lan/ollama"}}),
        ("ai-stack", {"services": {"dashboard": True}}),
    ],
)
def test_nginx_starts_with_it(stack: str, data: dict[str, Any], tmp_path: Path) -> None:
    with overlay(web_tree(), tmp_path) as root:
        release(planned({**SILO, "stack": stack, "data": data}), root)
        (root / "etc/hosts").write_text("172.17.0.1 host.docker.internal\n")  # as the engine writes it
        (root / "tmp/resolver.conf").write_text('resolver 127.0.0.11; set $domain "";\n')
        run(*inside(root), "nginx", "-t")
