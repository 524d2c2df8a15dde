"""The stack cache end to end: what hosts fetch comes by one of them, once."""

from __future__ import annotations

import hashlib
import json
import os
import random
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml

from gpufleet.catalog import Catalog
from tests.caching import CACHE, FILES, FIRST, GATED, HOSTS, LAYER, SECOND, SENT, TOKEN, Site, declare
from tests.declared import near, words
from tests.drive import DAEMON, FOREIGN, ROOT, fresh, furnish
from tests.hub import publish
from tests.lab import Lab, pypi, registry
from tests.lab.nspawn import folder
from tests.lab.paths import GATEWAY
from tests.lab.running import free_port, running
from tests.lab.shell import cached, until
from tests.lab.trees import image_tree

pytestmark = pytest.mark.lab


def _image(folder: Path) -> None:
    (folder / "tree").mkdir()
    (folder / "tree/weight").write_bytes(random.Random(9).randbytes(LAYER))


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root, catalog = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("catalog")
    commits = {"acme/open": publish(root, "acme/open", FILES)}
    commits["acme/gated"] = publish(root, "acme/gated", GATED, gated=True, allowed=[TOKEN])
    declare(catalog, commits)
    port = free_port()
    command = (sys.executable, "-m", "tests.hub", root, str(port), "--address", GATEWAY)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with fresh(lab, HOSTS) as fleet, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", TOKEN)
        furnish(fleet, FIRST, SECOND)
        for host in (FIRST, SECOND):
            proxy = f'Acquire::http::Proxy "http://{lab.hosts()[CACHE].address}:3142";'
            lab.run(host, f"echo '{proxy}' >/etc/apt/apt.conf.d/95cache")
        trees = [image_tree(), cached("cache-app", f"{LAYER}", _image) / "tree"]
        registry.push("acme/app", "1", trees, {"Cmd": ["redis-server"]}, {})
        with running(*command, cwd=root, port=port, address=GATEWAY, env=env):
            yield Site(fleet, catalog, f"http://{GATEWAY}:{port}")


def test_one_host_keeps_and_a_second_run_changes_nothing(site: Site) -> None:
    run = site.keep()
    assert run.code == 0, run.output
    before = site.fleet.snapshot(CACHE)
    assert site.keep().totals["success"] == 0
    assert site.fleet.snapshot(CACHE) == before


def test_a_bare_host_gets_engine_image_and_models_by_it(site: Site) -> None:
    site.sent()
    run = site.fetch(FIRST)
    assert run.code == 0, run.output
    assert site.sent() == SENT
    assert site.models(FIRST) == {n: hashlib.sha256(d).hexdigest() for n, d in {**FILES, **GATED}.items()}
    told = json.loads(site.run(FIRST, f"cat {DAEMON}"))
    assert told == {**FOREIGN, "insecure-registries": [f"{site.at}:5000"]}
    assert site.run(FIRST, "docker ps --format '{{.Image}}'").split() == [f"{site.at}:5000/ghcr.io/acme/app:1"]
    packages = site.run(CACHE, "docker logs cache-package-cache-1 | grep -E 'deb\" 200 .* MISS$'")
    assert "download.docker.com/" in packages
    assert "deb.debian.org" in packages


def test_what_the_next_one_gets_is_fetched_no_more(site: Site) -> None:
    before = site.received()
    run = site.fetch(SECOND)
    assert run.code == 0, run.output
    assert site.sent() == {}
    assert site.received() - before < 5_000_000
    assert site.models(SECOND) == site.models(FIRST)


def test_then_there_is_nothing_to_do(site: Site) -> None:
    before = {host: site.fleet.snapshot(host) for host in (FIRST, SECOND)}
    assert all(site.fetch(host).totals["success"] == 0 for host in before)
    assert {host: site.fleet.snapshot(host) for host in before} == before
    assert site.keep().totals["success"] == 0


def test_what_is_gated_is_given_to_nobody_without_a_token_and_the_token_is_not_kept(site: Site) -> None:
    commit = yaml.safe_load((site.catalog / "models/gated.yaml").read_text())["revision"]
    url = f"http://{site.at}:8090/acme/gated/resolve/{commit}/gated.gguf"
    asked = "curl -s -o /dev/null -w '%{http_code}'"
    assert site.run(SECOND, f"{asked} {url}") == "401"
    assert site.run(SECOND, f"{asked} -H 'Authorization: Bearer hf_other' {url}") == "403"
    kept = site.run(CACHE, f"grep -rlF {TOKEN} /srv/gpufleet /var/lib/docker/containers /tmp 2>/dev/null")
    assert kept == ""


def test_an_image_is_there_also_when_its_registry_is_not(site: Site) -> None:
    site.run(FIRST, f"docker rm -f app-app-1; docker image rm -f {site.at}:5000/ghcr.io/acme/app:1")
    site.run(CACHE, "docker stop cache-images-ghcr-1")
    try:
        run = site.fetch(FIRST)
    finally:
        site.run(CACHE, "docker start cache-images-ghcr-1")
    assert run.code == 0, run.output


def test_a_cache_that_is_restarted_meanwhile_is_gone_on_with(site: Site) -> None:
    """What it had of a block is lost, no more."""
    site.run(SECOND, "rm /srv/gpufleet/models/*.gguf")
    site.run(CACHE, "rm -rf /srv/gpufleet/data/hub-cache/*")
    slow = {"kind": "slow", "path": "*.gguf", "rate": 6_000_000}
    httpx.post(f"{site.hub}/_faults", json=slow, trust_env=False).raise_for_status()
    site.sent()
    run = site.start(SECOND)
    part = "ls -s /srv/gpufleet/models/.incoming | grep -q '^ *[1-9][0-9]* [0-9a-f]'"
    until("a part of a model", lambda: site.lab.run(SECOND, part, check=False).returncode == 0, 120)
    site.run(CACHE, "docker kill -s KILL cache-hub-cache-1; docker start cache-hub-cache-1")
    httpx.delete(f"{site.hub}/_faults", trust_env=False)
    assert run.wait(300) == 0
    assert site.models(SECOND) == site.models(FIRST)
    assert all(size <= SENT[name] + (8 << 20) for name, size in site.sent().items())


def test_no_more_is_kept_than_it_may(site: Site) -> None:
    used = "du -sm /srv/gpufleet/data/hub-cache /srv/gpufleet/data/image-cache | cut -f 1"
    assert min(map(int, site.run(CACHE, used).split())) > 20
    assert site.keep(limit=20).code == 0
    until("room", lambda: max(map(int, site.run(CACHE, used).split())) <= 20, 120)
    assert site.keep(limit=20).totals["success"] == 0


def _bundled(site: Site, at: Path) -> None:
    """The inventory of the how-to, locked and brought where the internet is."""
    ssh, hosts = runpy.run_path(str(ROOT / "inventory/lab.py"))["_ssh"], site.lab.hosts()
    away = ("hub-cache", "image-cache", "images-docker", "images-ghcr", "images-quay", "images-nvcr", "package-cache")
    box = {"stack": "cache", "services": {"bundle": True, **dict.fromkeys(away, False)}, "mirrors": {}}
    thin = {**site.data, "mirrors": {"registry": f"http://{site.at}:8092"}, "secrets": {}}
    groups = {"cpu": {CACHE: box, SECOND: thin}, "cache": {CACHE: box}}
    told = {g: [(h, {**ssh, "ssh_hostname": hosts[h].address, **d}) for h, d in m.items()] for g, m in groups.items()}
    (at / "inventory.py").write_text("".join(f"{group} = {members!r}\n" for group, members in told.items()))
    there = near(Catalog().service("bundle").image["cpu"], huggingface=site.hub)
    there += words({"secrets": {"HF_TOKEN": "env:HF_TOKEN"}})
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PIP_INDEX_URL": f"file://{pypi.index()}/simple"}
    for command in (["lock", "inventory.py"], ["bundle", "inventory.py", "out"]):
        line = [sys.executable, "-m", "gpufleet", *command, *there]
        done = subprocess.run(line, cwd=at, env=env, capture_output=True, check=False)
        assert done.returncode == 0, done


def test_a_bundle_is_enough(site: Site, tmp_path: Path) -> None:
    """With neither Hub nor registry a host gets image and models by what `gpufleet bundle` wrote."""
    registry.copy("acme/app", "1", "ghcr.io/acme/app")
    _bundled(site, tmp_path)
    (tmp_path / "deploy.py").write_text((ROOT / "deploy.py").read_text())
    run = partial(site.fleet.pyinfra, "-y", "--json", "inventory.py", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert run("--limit", CACHE, "deploy.py").code == 0
    there = folder(CACHE) / "root/srv/gpufleet/data/bundle"
    shutil.copytree(tmp_path / "out", there, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
    site.run(SECOND, "docker rm -f $(docker ps -aq); docker image prune -af; rm -rf /srv/gpufleet/models")
    site.sent()
    for changes in (True, False):
        done = run("deploy.py")
        assert done.code == 0, done.output
        assert (done.totals["success"] > 0) == changes
    assert site.sent() == {}
    assert site.models(SECOND) == {n: hashlib.sha256(d).hexdigest() for n, d in {**FILES, **GATED}.items()}
    assert site.run(SECOND, "docker ps --format '{{.Image}}'").split() == [f"{site.at}:8092/ghcr.io/acme/app:1"]
