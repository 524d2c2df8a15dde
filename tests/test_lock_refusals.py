"""`gpufleet lock`, and what is wrong or odd there: each is one line, and nothing passes in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.cli.locking import patience
from tests.hub import publish
from tests.locking import FILES, SERVICES, STACK, Site

BOTH = "gpufleet lock: a.example, b.example: "


def rewrite(**services: dict[str, Any]) -> None:
    """The stack of these, each with the model of its name."""
    for name, entry in services.items():
        Path(f"catalog/services/{name}.yaml").write_text(yaml.safe_dump(entry))
    told = {name: {"service": name, "model": name} for name in services}
    stack = {**STACK, "services": told, "models": dict.fromkeys(services, "chat")}
    Path("catalog/stacks/mine.yaml").write_text(yaml.safe_dump(stack))
    Path("inventory.py").write_text("cpu = ['b.example', 'a.example']\n")


@pytest.mark.parametrize("config", [b"", b'{"num_hidden_layers": 2,', b"[2]"])
def test_a_config_that_is_cut_off_is_told(site: Site, config: bytes) -> None:
    publish(site.hub.root, "acme/tiny", {**FILES, "config.json": config})
    what = "the config.json of acme/tiny is no JSON that an engine could read"
    line = f"gpufleet lock: models/chat: {what}; choose another `revision`, or other files with `only`"
    assert site.run()[::2] == (1, [line])
    only = {"repo": "acme/tiny", "only": ["*.safetensors"]}
    assert site.run(models={"chat": only})[0] == 0, "no engine reads it"


def test_a_config_that_came_in_part_is_told(site: Site) -> None:
    site.hub.faults.add("short", "config.json", after=20)
    what = f"{site.hub.url} gives another config.json of acme/tiny than it lists"
    line = f"gpufleet lock: models/chat: {what}; check `mirrors.huggingface`, and run again"
    assert site.run()[::2] == (1, [line])


def test_what_the_plan_would_refuse_is_told_at_once(site: Site) -> None:
    rewrite(loader={**SERVICES["engine"], "suffix": ".gguf"})
    line = f"{BOTH}stacks/mine/services/loader/model: loader loads files that end in .gguf, unlike acme/tiny; "
    for check in ([], ["--check"]):
        code, _, err = site.run(*check)
        assert (code, err) == (3, [f"{line}choose another model"])
    assert [*site.locked.models] == ["acme/tiny@main"], "what was looked up is right"


def test_two_models_of_one_name_are_told_at_once(site: Site) -> None:
    rewrite(one=SERVICES["engine"], two=SERVICES["engine"])
    for repo in ("one", "two"):
        publish(site.hub.root, f"acme/{repo}", {"m.bin": repo.encode(), "same.bin": b"same"})
    models = {name: {"repo": f"acme/{name}", "file": "same.bin"} for name in ("one", "two")}
    assert site.run(models=models)[::2] == (0, [])
    models = {name: {"repo": f"acme/{name}", "file": "m.bin"} for name in ("one", "two")}
    what = "models/two: m.bin is the file of one, too, with other bytes"
    assert site.run(models=models)[::2] == (3, [f"{BOTH}{what}; choose another model, or tier, for one of them"])


@pytest.mark.parametrize("lock", ["", "~/gpufleet.lock"])
def test_a_lock_that_is_no_path(site: Site, lock: str) -> None:
    what = f"group_data/lock: '{lock}' is not accepted; write a path, without a `~`: no shell reads it"
    assert site.run(lock=lock)[::2] == (3, [BOTH + what])


def test_a_lock_that_is_a_directory(site: Site) -> None:
    line = "gpufleet lock: catalog: is a directory; name a file with the setting `lock`"
    assert site.run(lock="catalog")[::2] == (3, [line])
    assert not site.hub.log, "nobody was asked"


def test_a_long_wait_is_told_and_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SAID", 1)
    site.hub.faults.add("status", "*/revision/main", times=1, status=429, headers={"Retry-After": "1"})
    assert site.run()[::2] == (0, [f"gpufleet lock: {site.hub.url} is busy: waiting 1 s, as it asks"])
    limit = {"RateLimit": '"api";r=0;t=3590'}
    site.hub.faults.add("status", "*/revision/main", status=429, headers=limit)
    what = f"{site.hub.url} was asked too often (HTTP 429); it wants to be left alone for 60 min: run again then"
    assert site.run("--upgrade", "chat")[::2] == (1, [f"gpufleet lock: models/chat: {what}"])


def test_another_licence_alone_is_a_change(site: Site) -> None:
    site.run()
    publish(site.hub.root, "acme/tiny", FILES, card={"license": "other", "license_name": "acme"})
    assert site.run("--upgrade", "chat")[1] == ["changed  acme/tiny@main  licence apache-2.0 -> acme"]


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({"file": "model.safetensors"},
         "vllm loads whole repositories, and model.safetensors is one file; leave `file` out"),
        ({"file": "m.gguf", "only": ["*.json", "*.safetensors", "tokenizer*"]},
         "is not accepted; give `file`, or `files` or `only` of a folder"),
    ],
)  # fmt: skip
def test_one_file_for_what_loads_folders(site: Site, model: dict[str, Any], line: str) -> None:
    rewrite(chat=SERVICES["engine"])
    stack = {"title": "Mine", "services": {"vllm": {"service": "vllm", "model": "chat"}}, "models": {"chat": "chat"}}
    Path("catalog/stacks/mine.yaml").write_text(json.dumps(stack))
    code, _, err = site.run(models={"chat": {"repo": "acme/tiny", **model}})
    assert (code, err) == (3, [f"{BOTH}group_data/models/chat: {line}"])
