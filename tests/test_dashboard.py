"""The dashboard's files: the page, nginx's configuration, and what people take from it to their own machine."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from gpufleet.render import render
from tests.test_stacks import STACKS, planned
from tests.workflow import problems

SILO = STACKS["cognitive-silo on the card that it was made for"]
AGENTS = ("coding", "ui", "debugging", "hardware")
EMPTY = {"meta", "link", "input", "br"}


def files(case: dict[str, Any] = SILO, **data: Any) -> dict[str, str]:
    """The dashboard's files by name."""
    release = render(planned({**case, "data": {**case.get("data", {}), **data}}))
    return {p.removeprefix("dashboard/"): t.decode() for p, t in release.files.items() if p.startswith("dashboard/")}


class Page(HTMLParser):
    """What a page loads and links to; raises AssertionError where an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.found: list[dict[str, str]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {key: value or "" for key, value in attrs}
        self.found.append({"tag": tag, **told})
        self.loads += [told[key] for key in ("src", "href") if key in told and tag != "a"]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_one_file_without_a_secret() -> None:
    found = files()
    page = Page(found["index.html"])
    assert page.loads == ["data:,"]
    assert not re.search(r"@import|url\(|\$\{[A-Z_]+:|sk-", found["index.html"])
    assert found == files()


@pytest.mark.parametrize("case", [c for c in STACKS.values() if "dashboard" in c.get("services", ())])
def test_all_services_are_on_it(case: dict[str, Any]) -> None:
    plan, found = planned(case), files(case)
    boxes = [tag for tag in Page(found["index.html"]).found if "data-service" in tag]
    assert [b["data-service"] for b in boxes] == [
        *(s.name for s in plan.services if s.gate and s.kind != "dashboard"), *(e.name for e in plan.externals),
    ]  # fmt: skip
    for asked in (f"/services/{b['data-service']}" for b in boxes):
        assert f"location = {asked} {{" in found["nginx.conf"]
    assert found["nginx.conf"].count("{") == found["nginx.conf"].count("}")
    if (workflow := json.loads(found["txt2img.json"])) or any(s.kind == "comfyui" for s in plan.services):
        assert not problems(workflow)


def test_names_are_text() -> None:
    case = {**SILO, "cards": [{**SILO["cards"][0], "name": '<b>"&'}]}
    page = files(case, external={"ollama": "http://10.0.0.9/<i>"})["index.html"]
    assert "&lt;b&gt;&#34;&amp;" in page
    assert "http://10.0.0.9/&lt;i&gt;" in page


def test_what_is_not_measured_is_from_the_plan() -> None:
    page = files()["index.html"]
    assert "45.9 GiB planned of 48.0 GiB" in page
    assert "From the plan</span>, models from Ollama" in page
    measured = files(services={"gpu-exporter": True})
    assert 'data-exporter="gpu-exporter"' in measured["index.html"]
    assert 'set $to "http://gpu-exporter$domain:5000/metrics";' in measured["nginx.conf"]


def test_each_card_has_its_own_exporter() -> None:
    case = STACKS["cognitive-silo with its cards measured"]
    found = Page(files(case)["index.html"]).found
    assert [tag["data-exporter"] for tag in found if "data-exporter" in tag] == ["gpu-exporter", "gpu-exporter-1"]


@pytest.mark.parametrize(
    ("at", "line"),
    [
        ("http://127.0.0.1:11434", 'proxy_pass "http://host.docker.internal:11434/api/ps";'),
        ("http://10.0.0.9:11434", 'set $to "http://10.0.0.9:11434/api/ps";'),
        ("https://gpu2.lan/ollama", 'set $to "https://gpu2.lan/ollama/api/ps";'),
    ],
)
def test_an_ollama_elsewhere(at: str, line: str) -> None:
    found = files(external={"ollama": at})
    assert line in found["nginx.conf"]
    assert f"runs at {at}" in found["index.html"]
    assert "Not of this stack" in found["index.html"]


@pytest.mark.parametrize(
    ("case", "checkpoint", "size", "steps"),
    [
        (SILO, "v1-5-pruned-emaonly.safetensors", 512, 20),
        (STACKS["cognitive-silo on a larger card"], "flux1-schnell-fp8.safetensors", 1024, 4),
    ],
)
def test_a_workflow_draws_with_what_is_there(case: dict[str, Any], checkpoint: str, size: int, steps: int) -> None:
    graph = json.loads(files(case)["txt2img.json"])
    assert not problems(graph)
    assert graph["load"]["inputs"]["ckpt_name"] == checkpoint
    assert graph["empty"]["inputs"]["width"] == size
    assert graph["sample"]["inputs"]["steps"] == steps


def test_a_workflow_that_is_none_is_seen() -> None:
    graph = json.loads(files()["txt2img.json"])
    graph["sample"]["inputs"] |= {"model": ["load", 1], "steps": "many", "scheduler": "never"}
    del graph["decode"]["inputs"]["vae"]
    assert len(problems(graph)) == 4


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Model(_Strict):
    """As packages/config-yaml/src/schemas/models.ts of github.com/continuedev/continue says, what we use of it."""

    name: str
    provider: str
    model: str
    apiBase: str
    apiKey: str
    roles: list[str]
    defaultCompletionOptions: dict[str, int] = {}
    chatOptions: dict[str, str] = {}


class Config(_Strict):
    """schemas/index.ts."""

    name: str
    version: str
    schema_: str
    models: list[Model]
    context: list[dict[str, str]]


def continues(text: str) -> Config:
    told = yaml.safe_load(text)
    return Config(schema_=told.pop("schema"), **told)


def test_continue_has_four_agents() -> None:
    found = files()
    config = continues(found["continue.yaml"])
    assert config.schema_ == "v1"
    agents = [m for m in config.models if "chat" in m.roles]
    assert [m.model for m in agents] == ["deepseek-r1-32b", "deepseek-v2-16b", "deepseek-r1-70b", "llama3.3-70b"]
    prompts = [found[f"{name}-agent.md"] for name in AGENTS]
    assert [m.chatOptions["baseSystemMessage"].strip() for m in agents] == [p.strip() for p in prompts]
    assert {m.defaultCompletionOptions["contextLength"] for m in agents} == {4096}
    assert {r: m.model for m in config.models for r in m.roles if r in ("autocomplete", "embed")} == {
        "autocomplete": "deepseek-v2-16b", "embed": "nomic-embed-text",
    }  # fmt: skip
    assert {m.apiKey for m in config.models} == {"${{ secrets.LITELLM_API_KEY }}"}
    assert {m.apiBase for m in config.models} == {"http://GPUFLEET_HOST:4000/v1"}
    assert len(config.context) == 7


def test_what_others_run_is_theirs_to_explain() -> None:
    found = files(external={"litellm": "http://10.0.0.9:4000", "comfyui": "http://10.0.0.9:8188"})
    links = {tag["href"] for tag in Page(found["index.html"]).found if tag["tag"] == "a"}
    assert links == {"http://127.0.0.1:3000", *(f"files/{name}-agent.md" for name in AGENTS)}
    assert "models" not in yaml.safe_load(found["continue.yaml"])
    assert json.loads(found["txt2img.json"]) == {}


def test_continue_asks_at_the_port_that_is_published() -> None:
    config = continues(files(ports={"litellm": 4100})["continue.yaml"])
    assert {m.apiBase for m in config.models} == {"http://GPUFLEET_HOST:4100/v1"}


def test_a_prompt_leaves_room_for_a_conversation() -> None:
    """Of 4096 tokens; a token is three characters or more of English."""
    found = files()
    assert all(len(found[f"{name}-agent.md"]) < 3 * 4096 / 4 for name in AGENTS)
