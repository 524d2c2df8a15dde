"""The lab's own promises: engines of three generations, each with its way to a card, and bare hosts that get one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab import Lab
from tests.lab.paths import RUN

pytestmark = pytest.mark.lab
# The second of two cards, whose node is the first: whoever gives all, or goes by the index, is found out.
UUID, NODE = "GPU-0a1b2c3d-0002-4e5f-8a9b-c0d1e2f3a4b2", "/dev/nvidia0"
IMAGE = "redis:8.2.1"
ENGINES = {
    "strixie": ("two-nvidia", "26.1", "2."),
    "sbookworm": ("two-nvidia@bookworm", "20.10", "5.6.1"),
    "ssid": ("two-nvidia@sid", "28.5", "2."),
}
BARE = {"sbare": ("two-nvidia+none", "trixie", "26.1"), "sbare12": ("two-nvidia@bookworm+none", "bookworm", "20.10")}
HOOK, CDI = f"--gpus device={UUID}", f"--device nvidia.com/gpu={UUID}"
WAYS = {"strixie": CDI, "sbookworm": HOOK, "ssid": CDI}
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends"
DOCKER, NVIDIA = "download.docker.com/linux/debian", "nvidia.github.io/libnvidia-container"
TOOLKIT = [
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
]


CUDA = "developer.download.nvidia.com/compute/cuda/repos/debian13/x86_64"


@pytest.fixture(scope="module")
def engines(lab: Lab) -> Iterator[Lab]:
    lab.up({name: spec for name, (spec, _, _) in ENGINES.items()})
    yield lab
    lab.down(*ENGINES)


@pytest.fixture(scope="module", params=BARE)
def bare(lab: Lab, request: pytest.FixtureRequest) -> Iterator[tuple[Lab, str]]:
    name = str(request.param)
    fresh(lab, name, BARE[name][0])
    yield lab, name
    lab.down(name)


@pytest.fixture
def driverless(lab: Lab) -> Iterator[tuple[Lab, str]]:
    fresh(lab, "snodrv", "nvidia-no-driver+none")
    yield lab, "snodrv"
    lab.down("snodrv")


@pytest.fixture
def podman(lab: Lab) -> Iterator[tuple[Lab, str]]:
    lab.up({"spodman": "two-nvidia+podman"})
    yield lab, "spodman"
    lab.down("spodman")


def fresh(lab: Lab, name: str, spec: str) -> None:
    """A host as it was first made: what it gets, it gets from us."""
    if name in lab.hosts():
        lab.down(name)
    lab.up({name: spec})


def nodes(lab: Lab, host: str, way: str) -> list[str]:
    """The cards that a container sees which asks in this way."""
    run = f"docker run --rm {way} --entrypoint sh {IMAGE} -c 'ls /dev/nvidia[0-9]* 2>/dev/null || true'"
    return lab.run(host, run).stdout.split()


@pytest.mark.parametrize("host", ENGINES)
def test_each_suite_has_the_engine_of_its_generation(engines: Lab, host: str) -> None:
    _, engine, compose = ENGINES[host]
    assert engines.run(host, "docker version -f '{{.Server.Version}}'").stdout.startswith(engine)
    assert engines.run(host, "docker compose version --short").stdout.removeprefix("v").startswith(compose)


@pytest.mark.parametrize("host", ENGINES)
def test_a_container_sees_the_card_that_it_asked_for(engines: Lab, host: str) -> None:
    assert nodes(engines, host, WAYS[host]) == [NODE]
    assert nodes(engines, host, "") == []
    engines.reboot(host)
    assert nodes(engines, host, WAYS[host]) == [NODE]


def test_a_card_that_is_not_there_is_refused_by_the_hook(engines: Lab) -> None:
    done = engines.run("sbookworm", f"docker run --rm --gpus device=GPU-none {IMAGE}", check=False)
    assert "nvidia-container-cli: device error: GPU-none: unknown device" in done.stderr
    assert done.returncode != 0


def test_podman_gives_a_card_too(podman: tuple[Lab, str]) -> None:
    lab, host = podman
    run = f"podman run --rm {CDI} --entrypoint sh docker.io/library/{IMAGE} -c 'ls /dev/nvidia[0-9]*'"
    assert lab.run(host, run).stdout.split() == [NODE]
    assert "podman-compose version 1.3" in lab.run(host, "podman-compose --version").stdout
    assert lab.run(host, "systemctl is-system-running --wait").stdout == "running\n"


def test_a_bare_host_has_cards_and_nothing_for_containers(bare: tuple[Lab, str]) -> None:
    lab, host = bare
    there = "command -v docker podman containerd runc curl nvidia-ctk; ls -d /etc/cdi /etc/docker 2>/dev/null"
    assert lab.run(host, there, check=False).stdout == ""
    assert lab.run(host, "nvidia-smi -L").stdout.count("UUID: GPU-") == 2
    assert lab.run(host, "systemctl is-system-running --wait").stdout == "running\n"


def test_a_bare_host_is_equipped_from_the_mirror(bare: tuple[Lab, str]) -> None:
    lab, host = bare
    _, suite, engine = BARE[host]
    trust(lab, host, f"{DOCKER}/gpg")
    add(lab, host, "docker", f"{DOCKER} {suite} stable")
    add(lab, host, "nvidia", f"{NVIDIA}/stable/deb/amd64 /")
    versions = " ".join(f"{name}=1.20.0-1" for name in TOOLKIT)
    lab.run(host, f"{INSTALL} docker-ce docker-ce-cli containerd.io docker-compose-plugin && {INSTALL} {versions}")
    assert lab.run(host, "docker version -f '{{.Server.Version}}'").stdout.startswith(engine)
    assert lab.run(host, "docker compose version --short").stdout.strip() == "5.6.1"
    assert lab.run(host, "nvidia-ctk --version").stdout.split()[-1] == "1.20.0"
    assert UUID in lab.run(host, "cat /var/run/cdi/nvidia.yaml").stdout
    configure(lab, host, suite)
    assert nodes(lab, host, CDI if suite == "trixie" else HOOK) == [NODE]


def test_units_bring_the_spec_back_after_a_reboot(bare: tuple[Lab, str]) -> None:
    lab, host = bare
    lab.reboot(host)
    assert lab.run(host, "systemctl is-system-running --wait").stdout == "running\n"
    assert nodes(lab, host, CDI if BARE[host][1] == "trixie" else HOOK) == [NODE]


def test_another_signature_is_refused(bare: tuple[Lab, str]) -> None:
    """The check is real: Debian's own key does not open the lab's mirror."""
    lab, host = bare
    lab.run(host, "cp /usr/share/keyrings/debian-archive-keyring.gpg /etc/apt/keyrings/lab.gpg")
    lab.run(host, "sed -i s,lab.asc,lab.gpg, /etc/apt/sources.list.d/docker.list /etc/apt/sources.list.d/nvidia.list")
    # With an old index apt would warn and go on.
    done = lab.run(host, "rm -r /var/lib/apt/lists && apt-get update", check=False)
    assert done.returncode == 100
    assert f"{DOCKER} {BARE[host][1]} InRelease' is not signed" in done.stderr


def test_a_driver_is_loaded_by_the_next_boot(driverless: tuple[Lab, str]) -> None:
    lab, host = driverless
    trust(lab, host, f"{CUDA}/8793F200.pub")
    add(lab, host, "cuda", f"{CUDA}/ /")
    kernel = lab.run(host, "uname -r").stdout.strip()
    lab.run(host, f"{INSTALL} nvidia-driver-pinning-580")
    lab.run(host, f"{INSTALL} linux-headers-{kernel} nvidia-driver-cuda nvidia-kernel-open-dkms")
    assert lab.run(host, "dkms status").stdout == f"nvidia/580.178.04, {kernel}, x86_64: installed\n"
    assert lab.run(host, "nvidia-smi -L", check=False).returncode == 9
    lab.reboot(host)
    assert "RTX 4090" in lab.run(host, "nvidia-smi -L").stdout
    assert "Open Kernel Module for x86_64  580.178.04" in lab.run(host, "cat /proc/driver/nvidia/version").stdout
    assert lab.run(host, "systemctl is-system-running --wait").stdout == "running\n"
    lab.run(host, "apt-get remove -y nvidia-driver-cuda nvidia-kernel-open-dkms")
    lab.reboot(host)
    assert lab.run(host, "ls -d /dev/nvidia* /proc/driver/nvidia", check=False).stdout == ""


def trust(lab: Lab, host: str, key: str) -> None:
    """Give the host the key that a vendor's place has, if it is the one that the lab tells of."""
    told = json.loads((RUN / "mirror.json").read_text())
    fetch = f"{INSTALL} curl gpg && curl -fsS {told['url']}/{key} -o /etc/apt/keyrings/lab.asc"
    lab.run(host, f"apt-get update && mkdir -p /etc/apt/keyrings && {fetch}")
    assert f":{told['fingerprint']}:" in lab.run(host, "gpg --show-keys --with-colons /etc/apt/keyrings/lab.asc").stdout


def add(lab: Lab, host: str, name: str, source: str) -> None:
    url = json.loads((RUN / "mirror.json").read_text())["url"]
    entry = f"deb [arch=amd64 signed-by=/etc/apt/keyrings/lab.asc] {url}/{source}"
    lab.run(host, f"echo '{entry}' >/etc/apt/sources.list.d/{name}.list && apt-get update")


def configure(lab: Lab, host: str, suite: str) -> None:
    """Docker's settings as this generation needs them for cards; images come from the lab's registry."""
    daemon: dict[str, object] = {"registry-mirrors": ["http://10.98.0.1:5000"]}
    if suite == "trixie":
        daemon["features"] = {"cdi": True}
    write = f"mkdir -p /etc/docker && echo '{json.dumps(daemon)}' >/etc/docker/daemon.json"
    lab.run(host, f"{write} && systemctl restart docker")
