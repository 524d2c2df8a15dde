"""Ollama's models: what is locked, and files, are put where Ollama looks for them, and by the program that fetches."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.cli.locking.registry import pull
from gpufleet.deploys.models import told
from gpufleet.errors import Refused
from gpufleet.plan import plan, want
from gpufleet.plan.library import called, named
from gpufleet.render.helm import chart
from gpufleet.schema import HostFacts, LockedPull, Model, Plan
from tests import hub as hubs
from tests import ollamas
from tests.fetching import Bench, content
from tests.ollamas import Ollamas
from tests.test_planner import facts as planner_facts

WEIGHTS, OTHER, FILE = content("weights"), content("other"), content("file")
NAME = "tiny:1b"
AT = "ollama/models"
MANIFEST = f"{AT}/manifests/registry.ollama.ai/library/tiny/1b"
TEMPLATE = "{{ .Prompt }}"


def blob(data: bytes) -> str:
    return f"{AT}/blobs/sha256-{sha256(data).hexdigest()}"


@dataclass
class Site:
    """A stack of an Ollama, a registry and a place for models."""

    registry: Ollamas
    bench: Bench
    folder: Path

    def lock(self, *names: str) -> None:
        found = {name: pull("models/chat", name, self.registry.url).model_dump() for name in names}
        (self.folder / "gpufleet.lock").write_text(yaml.safe_dump({"version": 1, "pulls": found}))

    def plan(self, model: dict[str, Any], role: str = "cpu", **data: Any) -> Plan:
        stack = {"title": "Mine", "services": {"ollama": {"service": "ollama", "models": ["chat"]}}}
        for path, entry in (("stacks/mine", {**stack, "models": {"chat": "chat"}}), ("models/chat", model)):
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{path}.yaml").write_text(yaml.safe_dump(entry))
        lock, mirrors = str(self.folder / "gpufleet.lock"), {"ollama": self.registry.url}
        if not Path(lock).exists():
            self.lock()
        base = {"stack": "mine", "catalog": str(self.folder), "lock": lock, "mirrors": mirrors}
        facts: HostFacts = planner_facts({"cards": [{"mib": 24564}] if role != "cpu" else []})
        return plan("host", want(["all", role], {**base, **data}), facts)

    def files(self, planned: Plan) -> list[dict[str, Any]]:
        return [told(planned, d, []) for d in planned.downloads]

    def fetch(self, planned: Plan) -> tuple[int, str]:
        return self.bench.fetch(*self.files(planned))

    @property
    def seen(self) -> dict[str, bytes]:
        root = self.bench.models / AT
        return {f"{AT}/{p.relative_to(root)}": p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "models").mkdir()
    (tmp_path / "catalog").mkdir()
    with hubs.serve(tmp_path / "hub") as hub, ollamas.serve() as registry:
        registry.publish(NAME, WEIGHTS, template=TEMPLATE)
        yield Site(registry, Bench(hub, tmp_path / "models", {}), tmp_path / "catalog")


PULLED = {"pull": NAME, "bytes": len(WEIGHTS)}
FILE_NAME = "Some-Model-Q4.gguf"
GGUF = {"file": FILE_NAME, "bytes": len(FILE), "sha256": sha256(FILE).hexdigest(), "family": "llama"}


@pytest.mark.parametrize("name", ["a/b/c/d", "../a", "a:..", "a/../b", "-a", "a b", "hé", "a:b:c", "a" * 81, "x/y.z/a"])
def test_what_ollama_would_not_take_is_no_name(name: str) -> None:
    assert named(name) is None or (name == "x/y.z/a" and named("y.z/a") is None)


def test_a_file_has_a_name() -> None:
    assert called(Model.model_validate({**GGUF, "url": "http://x/y"})) == "Some-Model-Q4:latest"
    assert called(Model(repo="a/b")) is None
    assert called(Model.model_validate({**GGUF, "file": "m.safetensors", "url": "http://x/y"})) is None


def test_what_is_not_locked_ollama_pulls(site: Site) -> None:
    planned = site.plan(PULLED)
    (service,) = planned.services
    assert (planned.downloads, service.pulled_bytes) == ((), len(WEIGHTS))
    assert [step.name for step in service.steps] == ["pull chat", "load"]


def test_what_is_locked_is_put_there_and_has_the_digest_that_the_registry_says(site: Site) -> None:
    site.lock(NAME)
    planned = site.plan(PULLED)
    (service,) = planned.services
    assert [step.name for step in service.steps] == ["load"]
    assert (service.pulled, service.pulled_bytes) == ({"chat": NAME}, 0)
    code, out = site.fetch(planned)
    assert code == 0, out
    body = next(iter(site.registry.manifests.values()))
    assert site.seen == {blob(data): data for data in (WEIGHTS, TEMPLATE.encode(), ollamas.CONFIG)} | {MANIFEST: body}
    assert f'"{sha256(body).hexdigest()[:12]}"' in service.steps[0].check
    site.registry.log.clear()
    assert site.fetch(planned) == (0, "")
    assert site.registry.log == []


def test_a_fetch_that_is_killed_goes_on_and_shows_nothing_before_all_is_there(site: Site) -> None:
    site.lock(NAME)
    planned = site.plan(PULLED)
    site.registry.rate = 2_000_000
    child = site.bench.start(*site.files(planned))
    part = site.bench.models / ".incoming" / sha256(WEIGHTS).hexdigest()
    while not (part.exists() and part.stat().st_size > 1_000_000):
        assert child.poll() is None
        time.sleep(0.02)
    child.kill()
    child.communicate()
    assert site.seen == {} or MANIFEST not in site.seen
    have = part.stat().st_size
    site.registry.rate = 0
    site.registry.log.clear()
    assert site.fetch(planned)[0] == 0
    assert site.registry.sent()[sha256(WEIGHTS).hexdigest()[:12]] <= len(WEIGHTS) - have + (2 << 20)
    assert site.seen[blob(WEIGHTS)] == WEIGHTS


def test_wrong_bytes_are_told_and_no_model_is_seen(site: Site) -> None:
    site.lock(NAME)
    site.registry.spoiled.add(f"sha256:{sha256(WEIGHTS).hexdigest()}")
    code, out = site.fetch(site.plan(PULLED))
    assert code == 1
    assert f"models/{blob(WEIGHTS)}, of {NAME}: its source has other bytes than it should" in out
    assert MANIFEST not in site.seen


def test_what_the_registry_has_no_longer_is_told(site: Site) -> None:
    site.lock(NAME)
    gone = f"sha256:{sha256(WEIGHTS).hexdigest()}"
    del site.registry.blobs[gone]
    code, out = site.fetch(site.plan(PULLED))
    assert code == 1
    assert f", of {NAME}: {site.registry.url}/v2/library/tiny/blobs/{gone} is not there; check" in out
    assert "gpufleet lock INVENTORY --upgrade" in out


def test_a_blob_that_rots_is_fetched_anew(site: Site) -> None:
    site.lock(NAME)
    planned = site.plan(PULLED)
    site.fetch(planned)
    (site.bench.models / blob(WEIGHTS)).write_bytes(b"rot")
    code, out = site.fetch(planned)
    assert (code, "set aside as" in out) == (0, True)
    assert site.seen[blob(WEIGHTS)] == WEIGHTS


def test_a_tag_that_moved_changes_nothing_before_it_is_locked_anew(site: Site) -> None:
    """And then the manifest that is ours is another one; one that somebody else wrote is kept as another tag."""
    site.lock(NAME)
    old = site.plan(PULLED)
    site.fetch(old)
    site.registry.publish(NAME, OTHER)
    site.registry.log.clear()
    assert site.fetch(site.plan(PULLED)) == (0, "")
    before = site.seen[MANIFEST]
    site.lock(NAME)
    assert site.fetch(site.plan(PULLED)) == (0, "")
    assert site.seen[MANIFEST] != before
    assert not [path for path in site.seen if path.endswith(".set-aside")]
    mine = b'{"schemaVersion": 2, "layers": []}'
    (site.bench.models / MANIFEST).write_bytes(mine)
    code, out = site.fetch(site.plan(PULLED))
    line = f"models/{MANIFEST}, of {NAME}: has other bytes than it should; set aside as 1b.set-aside"
    assert (code, line in out) == (0, True)
    assert site.seen[f"{MANIFEST}.set-aside"] == mine


def test_a_file_of_ours_becomes_a_model_without_a_second_copy(site: Site) -> None:
    site.registry.blobs["file"] = FILE
    model = {**GGUF, "url": f"{site.registry.url}/cdn/file"}
    (site.bench.models / FILE_NAME).write_bytes(FILE)
    planned = site.plan(model)
    (service,) = planned.services
    assert service.pulled == {"chat": "Some-Model-Q4:latest"}
    (weights,) = [f for f in site.files(planned) if f["path"] == blob(FILE)]
    other = {**weights, "path": FILE_NAME, "of": ""}
    code, out = site.bench.fetch(*site.files(planned), other)
    assert code == 0, out
    twins = [site.bench.models / FILE_NAME, site.bench.models / blob(FILE)]
    assert len({path.stat().st_ino for path in twins}) == 1
    assert site.registry.log == [], "it was there already"
    manifest = json.loads(site.seen[f"{AT}/manifests/registry.ollama.ai/library/Some-Model-Q4/latest"])
    config = json.loads(site.seen[f"{AT}/blobs/{manifest['config']['digest'].replace(':', '-')}"])
    assert (config["model_format"], config["model_family"]) == ("gguf", "llama")
    assert [layer["digest"] for layer in manifest["layers"]] == [f"sha256:{GGUF['sha256']}"]


def test_a_chart_puts_it_there_too(site: Site) -> None:
    site.lock(NAME)
    planned = site.plan(PULLED)
    files = chart(planned, "fetch")
    (script,) = [text for text in files.values() if "put()" in text]
    (manifest,) = [d for d in planned.downloads if d.path.endswith("/1b")]
    assert b64encode(manifest.text.encode()).decode() in script
    assert script.index(f"path=/models/{blob(WEIGHTS)}") < script.index(f"path=/models/{MANIFEST}")
    assert '"mountPath": "/models/ollama"' in script or "mountPath: /models/ollama" in script


def test_a_resident_has_to_be_on_its_card(site: Site) -> None:
    (service,) = site.plan(PULLED, "single_gpu").services
    assert "% CPU" in service.steps[-1].check
    (service,) = site.plan(PULLED).services
    assert "% CPU" not in service.steps[-1].check


def test_a_registry_that_answers_something_else_is_refused(site: Site) -> None:
    site.registry.manifests["/v2/library/tiny/manifests/1b"] = b'{"layers": [{"digest": "../x", "size": 1}]}'
    with pytest.raises(Refused, match="does not answer as a registry of Ollama's does"):
        pull("models/chat", NAME, site.registry.url)


def test_what_a_manifest_names_is_counted_once() -> None:
    layer = {"digest": f"sha256:{'0' * 64}", "size": 3}
    text = json.dumps({"layers": [layer, layer], "config": layer})
    assert LockedPull(digest=sha256(text.encode()).hexdigest(), bytes=3, manifest=text).layers == {layer["digest"]: 3}
