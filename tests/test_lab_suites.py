"""Engines of three generations, each with its way to a card; and a host that its user has equipped by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.drive import Fleet, converged, fresh
from tests.lab import Lab
from tests.lab.stock import TOOLKIT_PACKAGES

pytestmark = pytest.mark.lab
# The second of two cards, whose node is the first: whoever gives all, or goes by the index, is found out.
UUID, NODE = "GPU-0a1b2c3d-0002-4e5f-8a9b-c0d1e2f3a4b2", "/dev/nvidia0"
IMAGE = "redis:8.2.1"
ENGINES = {
    "strixie": ("two-nvidia", "26.1", "2."),
    "sbookworm": ("two-nvidia@bookworm", "20.10", "5.6.1"),
    "ssid": ("two-nvidia@sid", "28.5", "2."),
}
HAND = "shand"
HOOK, CDI = f"--gpus device={UUID}", f"--device nvidia.com/gpu={UUID}"
WAYS = {"strixie": CDI, "sbookworm": HOOK, "ssid": CDI}
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends"
DOCKER, NVIDIA = "download.docker.com/linux/debian", "nvidia.github.io/libnvidia-container"
# What the vendor's own tool makes of daemon.json, and where the lab's images come from.
DAEMON = {
    "registry-mirrors": ["http://10.98.0.1:5000"],
    "runtimes": {"nvidia": {"args": [], "path": "nvidia-container-runtime"}},
}
LEFT = "dpkg-query -W; apt-mark showhold; cat /etc/docker/daemon.json /var/run/cdi/*; ls /etc/apt/* /usr/share/keyrings"


@pytest.fixture(scope="module")
def engines(lab: Lab) -> Iterator[Lab]:
    lab.up({name: spec for name, (spec, _, _) in ENGINES.items()})
    yield lab
    lab.down(*ENGINES)


@pytest.fixture(scope="module")
def hand(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, {HAND: "two-nvidia+none"}) as fleet:
        yield fleet


def nodes(lab: Lab, host: str, way: str) -> list[str]:
    """The cards that a container sees which asks in this way."""
    run = f"docker run --rm {way} --entrypoint sh {IMAGE} -c 'ls /dev/nvidia[0-9]* 2>/dev/null || true'"
    return lab.run(host, run).stdout.split()


@pytest.mark.parametrize("host", ENGINES)
def test_each_generation_gives_the_card_that_was_asked_for(engines: Lab, host: str) -> None:
    _, engine, compose = ENGINES[host]
    assert engines.run(host, "docker version -f '{{.Server.Version}}'").stdout.startswith(engine)
    assert engines.run(host, "docker compose version --short").stdout.removeprefix("v").startswith(compose)
    assert nodes(engines, host, WAYS[host]) == [NODE]
    assert nodes(engines, host, "") == []


def test_an_old_compose_leaves_a_new_key_out_without_a_word(engines: Lab) -> None:
    """Why the nodes in the container are looked at, and no exit code is believed."""
    file = f"services: {{a: {{image: '{IMAGE}', gpus: all}}}}"
    engines.run("strixie", f'echo "{file}" >/root/asked.yaml; docker compose -p asked -f /root/asked.yaml up -d')
    seen = engines.run("strixie", "docker exec asked-a-1 sh -c 'ls -d /dev/nvidia[0-9]*'", check=False).stdout
    engines.run("strixie", "docker compose -p asked -f /root/asked.yaml down")
    assert seen == ""


def test_a_card_that_is_not_there_is_refused_by_the_hook(engines: Lab) -> None:
    done = engines.run("sbookworm", f"docker run --rm --gpus device=GPU-none {IMAGE}", check=False)
    assert "nvidia-container-cli: device error: GPU-none: unknown device" in done.stderr
    assert done.returncode != 0


def test_a_bare_host_has_cards_and_nothing_for_containers(hand: Fleet) -> None:
    there = "command -v docker podman containerd runc curl nvidia-ctk; ls -d /etc/cdi /etc/docker 2>/dev/null"
    assert hand.lab.run(HAND, there, check=False).stdout == ""
    assert hand.lab.run(HAND, "nvidia-smi -L").stdout.count("UUID: GPU-") == 2
    assert hand.lab.run(HAND, "systemctl is-system-running --wait").stdout == "running\n"


def test_what_was_set_up_by_the_vendors_instructions_is_adopted(hand: Fleet) -> None:
    """Docker's own packages, the toolkit, its runtime: none of it is changed, and a container sees its card."""
    lab = hand.lab
    trust(lab, HAND, f"{DOCKER}/gpg")
    add(lab, HAND, "docker", f"{DOCKER} trixie stable")
    add(lab, HAND, "nvidia", f"{NVIDIA}/stable/deb/amd64 /")
    versions = " ".join(f"{name}=1.19.1-1" for name in TOOLKIT_PACKAGES)
    lab.run(HAND, f"{INSTALL} docker-ce docker-ce-cli containerd.io docker-compose-plugin && {INSTALL} {versions}")
    lab.run(
        HAND,
        f"mkdir -p /etc/docker && echo '{json.dumps(DAEMON)}' >/etc/docker/daemon.json && systemctl restart docker",
    )
    assert nodes(lab, HAND, HOOK) == [NODE]
    before = lab.run(HAND, LEFT).stdout
    converged(hand, HAND)
    assert lab.run(HAND, LEFT).stdout == before
    assert lab.run(HAND, "docker exec starter-llama-1 sh -c 'ls -d /dev/nvidia[0-9]*'").stdout.split() == [NODE]


def test_another_signature_is_refused(hand: Fleet) -> None:
    """The lab's check is real: Debian's own key does not open its mirror."""
    lab = hand.lab
    lab.run(HAND, "cp /usr/share/keyrings/debian-archive-keyring.gpg /etc/apt/keyrings/lab.gpg")
    lab.run(HAND, "sed -i s,lab.asc,lab.gpg, /etc/apt/sources.list.d/docker.list /etc/apt/sources.list.d/nvidia.list")
    # With an old index apt would warn and go on.
    done = lab.run(HAND, "rm -r /var/lib/apt/lists && apt-get update", check=False)
    assert done.returncode == 100
    assert f"{DOCKER} trixie InRelease' is not signed" in done.stderr


def trust(lab: Lab, host: str, key: str) -> None:
    """Give the host the key that a vendor's place has, if it is the one that the lab tells of."""
    told = lab.mirror()
    fetch = f"{INSTALL} curl gpg && curl -fsS {told['url']}/{key} -o /etc/apt/keyrings/lab.asc"
    lab.run(host, f"apt-get update && mkdir -p /etc/apt/keyrings && {fetch}")
    assert f":{told['fingerprint']}:" in lab.run(host, "gpg --show-keys --with-colons /etc/apt/keyrings/lab.asc").stdout


def add(lab: Lab, host: str, name: str, source: str) -> None:
    entry = f"deb [arch=amd64 signed-by=/etc/apt/keyrings/lab.asc] {lab.mirror()['url']}/{source}"
    lab.run(host, f"echo '{entry}' >/etc/apt/sources.list.d/{name}.list && apt-get update")
