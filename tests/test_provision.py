"""What a host is given below its stack, by distribution: files and commands, recorded.

After a wanted change: `python -m tests.test_provision` writes the cases anew.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml

from gpufleet.deploys.script import script
from gpufleet.errors import Refused
from gpufleet.plan.daemon import merged
from gpufleet.plan.drift import missing_packages, missing_sources
from gpufleet.plan.provision import PODMAN_PLAIN, daemon, loaded, podman_plain, right, route
from gpufleet.schema import Engine, HostFacts, Plumbing, Provision, read
from tests.conftest import CASES, cases, planned
from tests.test_daemon import WANTED

FILE = CASES / "provision.yaml"
HOSTS = {
    "debian": "12 13", "ubuntu": "22.04 24.04", "fedora": "43", "rhel": "9.6", "rocky": "9.5", "opensuse-leap": "15.6"
}  # fmt: skip
DRIVERS = ("debian 12", "debian 13", "ubuntu 24.04", "fedora 43", "rhel 9.6", "rocky 9.5")
NAMES = [f"{distro} {release}" for distro, releases in HOSTS.items() for release in releases.split()]


RADEONS = ("debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04")


def provisioned(name: str, arch: str = "x86_64", host: str = "rtx4090", **settings: Any) -> dict[str, Any]:
    """Files, packages and holds of a bare host with a card."""
    distro, release = name.split()
    card = cases("hosts")[host]
    system = {"distro": distro, "distro_version": release, "arch": arch, "uid": 0, "memory_mib": 32000}
    system |= {"kernel": "6.8.0-88-generic"}
    facts = read(HostFacts, {**card, "system": system, "engine": {}}, "hosts")
    found = planned(facts, "single_gpu", settings).provision
    return {
        "manager": found.manager,
        "files": {path: content for s in found.sources for path, content in s.files.items()},
        "keys": {s.key_file: f"{s.fingerprint} {s.key_url}" for s in found.sources},
        **({"first": " ".join(found.first)} if found.first else {}),
        "packages": " ".join(f"{name}={v}" if v else name for name, v in found.packages.items()),
        "hold": " ".join(found.hold),
    }


def recorded() -> dict[str, Any]:
    """Every distribution, with its own engine where it has one, else with Docker's; AMD's ways where it has them."""
    own = {n: provisioned(n) for n in NAMES if n not in ("debian 12", "fedora 43", "rhel 9.6", "rocky 9.5")}
    dockers = {f"{n}, Docker's": provisioned(n, engine_from="docker") for n in NAMES if n != "opensuse-leap 15.6"}
    podman = {f"{n}, Podman": provisioned(n, engine="podman") for n in ("debian 13", "fedora 43", "rocky 9.5")}
    geforce = {
        f"{n}, NVIDIA's driver": provisioned(n, host="no-driver-epel", engine_from="docker", driver="install")
        for n in DRIVERS
    }
    mirror = {"packages": "http://mirror.lan/all/", "keys": {"toolkit": "A" * 40}}
    radeons = {f"{n}, AMD's CDI": provisioned(n, host="w7900", amd_access="cdi") for n in RADEONS}
    drivers = {
        f"{n}, AMD's driver": provisioned(n, host="radeon-no-driver", driver="install")
        for n in (*RADEONS, "rhel 9.6", "rocky 9.6")
    }
    both = {"debian 13, both drivers": provisioned("debian 13", host="both-no-driver", driver="install")}
    return {
        **own,
        **dockers,
        **podman,
        **geforce,
        "ubuntu 24.04 on arm, mirrored": provisioned("ubuntu 24.04", "aarch64", mirrors=mirror),
        **radeons,
        **drivers,
        **both,
    }


def test_every_distribution_gets_the_recorded_files_and_packages() -> None:
    assert recorded() == yaml.safe_load(FILE.read_text())


def test_a_manager_has_its_script() -> None:
    for manager in ("apt", "dnf", "zypper"):
        assert "$packages" in script(manager, packages="a=1 b", hold="a")


def test_what_is_there_is_not_missing(hosts: dict[str, HostFacts]) -> None:
    wanted = planned(hosts["no-cdi"], "single_gpu").provision
    assert missing_packages(wanted, Plumbing()) == wanted.packages
    there = Plumbing(packages=wanted.packages, held=wanted.hold)
    assert missing_packages(wanted, there) == {}
    other = Plumbing(packages={**wanted.packages, "libnvidia-container1": "1.19.1-1"}, held=wanted.hold)
    assert missing_packages(wanted, other) == {"libnvidia-container1": "1.20.0-1"}
    assert missing_packages(wanted, Plumbing(packages=wanted.packages)) == wanted.packages, "nothing holds them"
    assert missing_sources(wanted, Plumbing()) == wanted.sources


@pytest.mark.parametrize(
    ("host", "data", "version"),
    [
        ("own-toolkit", {}, None),
        ("own-toolkit", {"toolkit_version": "1.20.0-1"}, "1.20.0-1"),
        ("our-toolkit", {}, "1.20.0-1"),
        ("our-toolkit", {"toolkit_version": "1.19.1-1"}, "1.19.1-1"),
    ],
)
def test_a_toolkit_is_brought_to_its_version_where_it_is_ours_or_asked_for(
    hosts: dict[str, HostFacts], host: str, data: dict[str, Any], version: str | None
) -> None:
    """Whose it is says the file of its repository, not a hold: who owns the host may set one, and take ours off."""
    found = planned(hosts[host], "single_gpu", data).provision
    assert found.packages.get("nvidia-container-toolkit") == version
    assert set(found.packages) == set(found.hold) == set(missing_packages(found, hosts[host].plumbing))


def test_a_driver_that_is_there_is_held_as_it_is(hosts: dict[str, HostFacts]) -> None:
    """Also after a run that was killed between installing and holding it."""
    have = {"nvidia-driver-cuda": "580.178.04-1", "nvidia-container-toolkit": "1.19.1-1"}
    facts = hosts["rtx4090"].model_copy(update={"plumbing": Plumbing(packages=have)})
    found = planned(facts, "single_gpu", {"driver": "install"}).provision
    assert (found.packages, found.hold, found.pending) == (
        {"nvidia-driver-cuda": "580.178.04-1"}, ("nvidia-driver-cuda",), "",
    )  # fmt: skip
    assert planned(facts, "single_gpu").provision.packages == {}, "adopted"


@pytest.mark.parametrize(
    ("version", "devices", "way"),
    [("20.10.24", (), "hook"), ("26.0.2", (), "hook"), ("26.0.2", ("nvidia.com/gpu=0",), "cdi"), ("26.1.0", (), "cdi")],
)
def test_an_engine_that_cannot_read_a_new_specification_gets_the_hook(
    version: str, devices: tuple[str, ...], way: str
) -> None:
    assert route(HostFacts(engine=Engine(version=version, reachable=True, cdi_devices=devices))) == way


CARDS: dict[str, dict[str, Any]] = {
    "NVIDIA's by CDI": {"cards": ("a",), "route": "cdi"},
    "AMD's by CDI": {"amd_cards": ("b",)},
    "NVIDIA's by the hook, AMD's by CDI": {"cards": ("a",), "route": "hook", "amd_cards": ("b",)},
}


@pytest.mark.parametrize("kind", CARDS)
@pytest.mark.parametrize(("version", "switch"), [("20.10.24", False), ("26.1.5", True), ("28.5.2", False)])
def test_docker_is_told_what_it_does_not_know_by_itself(kind: str, version: str, switch: bool) -> None:
    hook = {"runtimes": WANTED["runtimes"]} if CARDS[kind].get("route") == "hook" else {}
    told = {**hook, **({"features": WANTED["features"]} if switch else {})}
    assert daemon(Provision(**CARDS[kind]), Plumbing(engine=version)) == told, "of packages that this run installs"
    assert daemon(Provision(**CARDS[kind], version=version), Plumbing(engine="1.0")) == told, "as it says itself"


def test_docker_of_other_packaging_is_told_too(hosts: dict[str, HostFacts]) -> None:
    """Preflight and the run see the same, whatever a package manager knows of it."""
    found = planned(hosts["rtx4090"], "single_gpu").provision
    assert hosts["rtx4090"].plumbing.packages == {}
    assert not right(found, Plumbing())
    assert right(found, Plumbing(daemon='{"features": {"cdi": true}}'))


@pytest.mark.parametrize("kind", CARDS)
def test_docker_is_restarted_until_it_has_loaded_every_way(kind: str) -> None:
    wanted = Provision(**CARDS[kind])
    need = [
        *(["cdi"] if wanted.route != "hook" or wanted.amd_cards else []),
        *(["nvidia"] if wanted.route == "hook" else []),
    ]
    for live in ([], ["cdi"], ["nvidia"], ["cdi", "nvidia"]):
        have = Plumbing(stale=("/etc/docker/daemon.json",), live=tuple(live))
        assert loaded(wanted, have) is ({*need} <= {*live}), live
    assert loaded(wanted, Plumbing())


def test_an_engine_is_told_of_a_registry_without_tls_and_loads_that_running() -> None:
    wanted = Provision(plain=("cache:5000",))
    told = '{"insecure-registries": ["mine:1"], "debug": true}'
    assert not right(wanted, Plumbing(daemon=told))
    new = merged(told, daemon(wanted, Plumbing(daemon=told)))
    assert new
    assert json.loads(new) == {"insecure-registries": ["mine:1", "cache:5000"], "debug": True}
    assert right(wanted, Plumbing(daemon=new))
    stale = Plumbing(daemon=new, stale=("/etc/docker/daemon.json",))
    assert not loaded(wanted, stale)
    assert loaded(wanted.but_plain, stale)
    assert loaded(wanted, stale.model_copy(update={"live": ("cache:5000",)}))
    with pytest.raises(Refused, match="insecure-registries: is no list"):
        daemon(wanted, Plumbing(daemon='{"insecure-registries": "mine:1"}'))


def test_podman_is_told_by_a_file_of_its_own() -> None:
    wanted = Provision(engine="podman", plain=("cache:5000",))
    assert 'location = "cache:5000"\ninsecure = true' in podman_plain(wanted)
    digest = hashlib.sha256(podman_plain(wanted).encode()).hexdigest()
    assert not right(wanted, Plumbing(socket=True))
    assert right(wanted, Plumbing(socket=True, digests={PODMAN_PLAIN: digest}))
    assert right(wanted.but_plain, Plumbing(socket=True))


if __name__ == "__main__":
    head = "# Bare hosts with a card: NVIDIA's, unless AMD's is said. Written by `python -m tests.test_provision`.\n"
    FILE.write_text(head + yaml.safe_dump(recorded(), sort_keys=False, width=200, allow_unicode=True))
