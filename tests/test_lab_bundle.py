"""What `gpufleet bundle` wrote, given by a real nginx as the catalog has it, with all that it came from away."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gpufleet.cli.locking import registry
from gpufleet.deploys import models
from gpufleet.plan import plan, want
from gpufleet.plan.fetch import downloads
from gpufleet.render import render
from gpufleet.schema import BundledImage
from tests.bundling import Bundling, digest
from tests.fetching import Bench
from tests.hub import publish
from tests.lab import pypi
from tests.lab.running import free_port, running
from tests.lab.site import inside
from tests.lab.trees import overlay, web_tree
from tests.locking import BASE, FILES, IMAGES, TOKEN, Site
from tests.test_planner import facts

pytestmark = pytest.mark.lab
SERVICE = "bundle"


@dataclass
class Box:
    """The host that gives it: a copy of the directory, as rsync brings it."""

    at: str
    bundling: Bundling
    folder: Path

    @property
    def url(self) -> str:
        return f"http://{self.at}"


@contextmanager
def served(tree: Path, folder: Path) -> Iterator[str]:
    """The directory at an address, by nginx as its user."""
    told = plan("box", want(["cache"], {"services": {SERVICE: True}}), facts({"cards": [], "ram": 64000}))
    assert not told.blocked
    config = render(told).files["bundle/nginx.conf"].decode()
    service, port = next(s for s in told.services if s.name == SERVICE), free_port()
    with overlay(web_tree(), folder) as root:
        (root / "etc/nginx/nginx.conf").write_text(config.replace("listen 8092", f"listen 127.0.0.1:{port}"))
        shutil.copytree(tree, root / "bundle", ignore=shutil.ignore_patterns(".*"))
        command = (*inside(root, "--userspec=101:101", ">/dev/null 2>&1"), "nginx", "-g", "daemon off;")
        assert service.user in (None, "101:101")
        with running(*command, cwd=folder, port=port):
            yield f"127.0.0.1:{port}"


@pytest.fixture
def box(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_INDEX_URL", f"file://{pypi.index()}/simple")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    publish(site.hub.root, "acme/tiny", FILES, gated=True, allowed=[TOKEN])
    bundling = Bundling(site, tmp_path / "out")
    bundling.publish()
    assert bundling.run()[0] == 0
    monkeypatch.delenv("HF_TOKEN")
    with served(bundling.out, tmp_path / "nginx") as at:
        yield Box(at, bundling, tmp_path)


def test_every_image_is_read_back(box: Box) -> None:
    told = box.bundling.told.images
    assert told.keys() == {BASE, *IMAGES}
    for name, about in told.items():
        assert registry.image("images", f"{box.at}/{name}") == about.digest
        _read(box, name, about)
    path = f"{box.url}/v2/{IMAGES[0].rpartition(':')[0]}"
    for what in (f"{path}/manifests/2.0", f"{path}/manifests/sha256:{'0' * 64}", f"{path}/blobs/sha256:{'0' * 64}"):
        assert httpx.head(what).status_code == 404
    assert httpx.post(f"{path}/blobs/uploads/").status_code == 405
    for hidden in (".verified", ".incoming/", "v2/docker.io/", "../etc/passwd", "acme/tiny/"):
        assert httpx.get(f"{box.url}/{hidden}").status_code in (400, 404)


def _read(box: Box, name: str, about: BundledImage) -> None:
    """As engines do: by tag and by digest, HEAD first, then what is in it."""
    path, _, tag = name.rpartition(":")
    base = f"{box.url}/v2/{path}"
    kinds = {"Accept": registry.KINDS}
    by_tag, first = (httpx.get(f"{base}/manifests/{which}", headers=kinds) for which in (tag, about.digest))
    assert by_tag.content == first.content
    found = [first]
    for part in first.json().get("manifests", ()):
        if part["platform"]["architecture"] == "amd64":
            found.append(httpx.get(f"{base}/manifests/{part['digest']}", headers=kinds))
    for answer in found:
        assert digest(answer.content) == answer.headers["Docker-Content-Digest"]
        assert answer.headers["Content-Type"] == answer.json()["mediaType"]
        head = httpx.head(str(answer.url), headers=kinds)
        same = ("Content-Type", "Content-Length", "Docker-Content-Digest")
        assert [head.headers[key] for key in same] == [answer.headers[key] for key in same]
    assert by_tag.headers["Content-Type"] == first.headers["Content-Type"]
    own = found[-1].json()
    assert {b["digest"] for b in (own["config"], *own["layers"])} == about.blobs.keys()
    for blob, size in about.blobs.items():
        answer = httpx.get(f"{base}/blobs/{blob}")
        assert (len(answer.content), digest(answer.content)) == (size, blob)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        rest = httpx.get(f"{base}/blobs/{blob}", headers={"Range": "bytes=5-"})
        assert (rest.status_code, len(rest.content)) == (206, size - 5)


def test_the_fetcher_has_all_models_of_it_without_a_token_or_a_hub(box: Box) -> None:
    """Gated files and Ollama's blobs, too; nothing is asked of the Hub."""
    hub, ollama = box.bundling.site.hub, box.bundling.site.registry
    mirrors = {"huggingface": hub.url, "ollama": f"http://{ollama.at}"}
    data = {"stack": "mine", "catalog": "catalog", "services": {"puller": True}, "mirrors": mirrors}
    wanted = want(["cpu"], data)
    told = plan("h", wanted, facts({"cards": [], "ram": 64000})).model_copy(update={"bundle": box.url})
    files = [models.told(told, d, []) for d in downloads(wanted)]
    assert len(files) == 5, "with the manifest of Ollama's model, which the lock has"
    hub.log.clear()
    hub.faults.add("status", status=503)
    ollama.status, ollama.sent = 503, type(ollama.sent)()
    (box.folder / "models").mkdir()
    bench = Bench(hub, box.folder / "models", {})
    code, said = bench.fetch(*files)
    assert code == 0, said
    assert (hub.log, sum(ollama.sent.values())) == ([], 0)
    for file in files:
        assert (bench.models / str(file["path"])).stat().st_size == file["bytes"]


def test_what_it_has_not_comes_of_the_next(box: Box) -> None:
    hub = box.bundling.site.hub
    (box.folder / "models").mkdir()
    commits = {"acme/later": publish(hub.root, "acme/later", {"later.gguf": b"later" * 1000})}
    bench = Bench(hub, box.folder / "models", commits)
    told = bench.wanted("later.gguf", b"later" * 1000, repo="acme/later")
    caches = [told["urls"][0].replace(hub.url, box.url), "http://127.0.0.1:9/away"]
    assert bench.fetch({**told, "caches": caches})[0] == 0
    assert bench.requests


def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    told = plan("box", want(["cache"], {"services": {SERVICE: True}}), facts({"cards": [], "ram": 64000}))
    with overlay(web_tree(), tmp_path) as root:
        (root / "etc/nginx/nginx.conf").write_bytes(render(told).files["bundle/nginx.conf"])
        done = subprocess.run([*inside(root), "nginx", "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
