"""The stack cache: what its programs are told, and how hosts go by it."""

from __future__ import annotations

from typing import Any

import pytest

from gpufleet.deploys import models
from gpufleet.errors import Refused
from gpufleet.plan import plan, want
from gpufleet.render import render
from gpufleet.schema import Download, HostFacts, Plan
from tests.conftest import planned
from tests.test_planner import facts


def rendered(**data: Any) -> dict[str, str]:
    told = plan("host", want(["all", "cpu"], {"stack": "cache", **data}), facts({"cards": [], "ram": 64000}))
    return {path: content.decode() for path, content in render(told).files.items()}


def test_every_registry_of_the_stack_has_its_way() -> None:
    told = rendered()["image-cache/nginx.conf"]
    for name in ("docker", "ghcr", "quay", "nvcr"):
        assert f"proxy_pass $images_{name}/v2/$path" in told
    assert 'location ~ "^/v2/docker[.]io/' in told
    assert "images_nvcr" not in rendered(services={"images-nvcr": False})["image-cache/nginx.conf"]


def test_a_registry_fetches_from_one_place_into_a_folder_of_its_own() -> None:
    told = rendered()["images-quay/config.yml"]
    assert '"/var/lib/registry/images-quay"' in told
    assert 'remoteurl: "https://quay.io"' in told


def test_packages_come_from_the_hosts_that_are_named_and_no_others() -> None:
    own = {"apt.example": "http://apt.example"}
    told = rendered(options={"package-cache": {"hosts": own, "limit_mib": 7}})["package-cache/nginx.conf"]
    assert "apt.example http://apt.example;" in told
    assert "(?<name>apt[.]example)/" in told
    assert "nvidia" not in told
    assert "max_size=7m" in told


HUB = Download(
    path="/m/a", part="/m/p", url="https://huggingface.co/o/m/resolve/c/a", bytes=1, digest="sha256:0", hub=True
)


@pytest.mark.parametrize("cache", ["http://cache:8090", "http://cache:8090/"])
def test_a_mirror_that_was_found_is_asked_before_the_hub_and_after_peers(
    hosts: dict[str, HostFacts], cache: str
) -> None:
    found = planned(hosts["cpu"]).model_copy(update={"hub": "https://huggingface.co", "hub_cache": cache})
    assert _sources(found, HUB) == (["http://peer/0", HUB.url], ["http://cache:8090/o/m/resolve/c/a"])
    assert _sources(found, HUB.model_copy(update={"hub": False})) == (["http://peer/0", HUB.url], [])
    assert _sources(found.model_copy(update={"hub_cache": ""}), HUB) == (["http://peer/0", HUB.url], [])


def test_a_bundle_is_asked_before_a_mirror_and_for_what_is_not_the_hubs(hosts: dict[str, HostFacts]) -> None:
    told = {"hub": "https://huggingface.co", "hub_cache": "http://cache:8090", "bundle": "http://cache:8092"}
    found = planned(hosts["cpu"]).model_copy(update=told)
    paths = [f"http://cache:{port}/o/m/resolve/c/a" for port in (8092, 8090)]
    assert _sources(found, HUB)[1] == paths
    other = {"hub": False, "url": "https://ollama.example/v2/library/a/blobs/sha256:0"}
    assert _sources(found, HUB.model_copy(update=other))[1] == ["http://cache:8092/blobs/sha256/0"]
    assert _sources(found, HUB.model_copy(update={"hub": False, "url": "", "text": "{}"}))[1] == []


def _sources(plan: Plan, download: Download) -> tuple[Any, Any]:
    found = models.told(plan, download, ["http://peer/0"])
    return found["urls"], found["caches"]


def test_a_registry_without_tls_is_said_by_its_scheme(hosts: dict[str, HostFacts]) -> None:
    found = planned(hosts["cpu"], data={"mirrors": {"registry": "http://cache:5000"}})
    assert found.provision.plain == ("cache:5000",)
    assert all(p.image.startswith("cache:5000/") for p in found.pulls)
    assert planned(hosts["cpu"], data={"mirrors": {"registry": "cache:5000"}}).provision.plain == ()
    with pytest.raises(Refused, match="'ftp://cache' is not accepted; write it like"):
        planned(hosts["cpu"], data={"mirrors": {"registry": "ftp://cache"}})
