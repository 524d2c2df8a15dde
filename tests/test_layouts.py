"""Folders of the store as programs look for them, by links: what steps of the catalog do, by the real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import scan_cache_dir, snapshot_download

from gpufleet.schema import HostFacts, Plan, PlannedStep
from tests.conftest import planned
from tests.fetching import digest

FILES = {"model.bin": b"w" * 5000, "README.md": b"---\nlibrary_name: ctranslate2\n---\n", "textual/model.onnx": b"text"}
COMMITS = ("1" * 40, "2" * 40)


def plan_of(hosts: dict[str, HostFacts], folder: Path, service: str, repo: str, commit: str, **more: Any) -> Plan:
    """Of a host that has the folder of a model, whole, for a service."""
    files = {**FILES, "commit": commit.encode()}
    told = {path: {"bytes": len(data), "digest": digest(data, git=False)} for path, data in files.items()}
    stack = {
        "title": "One",
        "models": {"mine": "kokoro-82m"},
        "services": {"it": {"service": service, "models": ["mine"]}},
    }
    (folder / "one.yaml").write_text(yaml.safe_dump(stack))
    data = {"stack": str(folder / "one.yaml"), "models": {"mine": {"repo": repo, "revision": commit, "files": told}}}
    plan = planned(hosts["cpu"], "cpu", {**data, "data_root": str(folder / "root"), **more})
    for d in plan.downloads:
        Path(d.path).parent.mkdir(parents=True, exist_ok=True)
        Path(d.path).write_bytes(files[d.path.removeprefix(f"{d.folder}/")])
    return plan


def linking(plan: Plan) -> PlannedStep:
    (step,) = plan.services[0].steps
    assert (step.name, step.model) == ("link mine", None)
    return step


def done(plan: Plan, step: PlannedStep, cache: Path) -> bool:
    """Do a step with the store and the cache here; whether it says afterwards that it is done."""

    def sh(text: str) -> int:
        text = text.replace("/store", plan.models_dir).replace("/cache", str(cache)).replace("/.cache", "")
        found = subprocess.run(
            ["sh", "-c", text.partition(" && curl")[0]], env={"HOME": str(cache), "PATH": "/usr/bin:/bin"}, check=False
        )
        return found.returncode

    assert sh(step.run) == 0
    return sh(step.check) == 0


def taken(*folders: Path) -> int:
    """KiB, of what has two names once."""
    return int(subprocess.run(["du", "-skc", *folders], capture_output=True, text=True, check=True).stdout.split()[-2])


def test_speaches_gets_a_cache_that_the_hubs_client_reads(hosts: dict[str, HostFacts], tmp_path: Path) -> None:
    repo, cache = "acme/whisper", tmp_path / "home"
    hub = cache / "huggingface/hub"
    for commit in COMMITS:
        plan = plan_of(hosts, tmp_path, "speaches", repo, commit)
        assert plan.services[0].environment["HF_HUB_OFFLINE"] == "1"
        assert plan.services[0].pulled == {"mine": repo}
        assert done(plan, linking(plan), cache)
        (found,) = scan_cache_dir(hub).repos
        assert (found.repo_id, found.refs["main"].commit_hash, found.nb_files) == (repo, commit, 4)
        at = Path(snapshot_download(repo, cache_dir=hub, local_files_only=True))
        assert at.name == commit
        assert {str(p.relative_to(at)) for p in at.rglob("*") if p.is_file()} == {*FILES, "commit"}
        assert not scan_cache_dir(hub).warnings
    assert taken(Path(plan.models_dir), cache) - taken(Path(plan.models_dir)) < 60, "no bytes but links"


def test_what_speaches_installs_by_itself_is_asked_for(hosts: dict[str, HostFacts], tmp_path: Path) -> None:
    plan = plan_of(hosts, tmp_path, "speaches", "acme/whisper", COMMITS[0], models={})
    assert plan.services[0].environment["HF_HUB_OFFLINE"] == "0"
    assert [step.name for step in plan.services[0].steps] == ["install mine"]


@pytest.mark.parametrize(
    ("name", "task"), [("ViT-B-32__openai", "clip"), ("buffalo_l", "facial-recognition"), ("PP-OCRv5_mobile", "ocr")]
)
def test_immich_finds_its_models_where_it_would_fetch_them_to(
    hosts: dict[str, HostFacts], tmp_path: Path, name: str, task: str
) -> None:
    for commit in COMMITS:
        plan = plan_of(hosts, tmp_path, "immich-machine-learning", f"immich-app/{name}", commit)
        assert done(plan, linking(plan), tmp_path / "cache")
        at = tmp_path / "cache" / task / name
        assert (at / "textual/model.onnx").read_bytes() == b"text"
        assert (at / "commit").read_text() == commit
