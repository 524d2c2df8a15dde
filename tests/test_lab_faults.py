"""What goes wrong on real hosts: one line each, the other hosts go on, and the next run mends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.catalog import OURS
from tests.drive import ENV, Fleet, Run, fresh, key
from tests.lab import Lab
from tests.lab.shell import until

pytestmark = pytest.mark.lab
HOST, OTHER = "fault1", "fault2"
HOSTS = {HOST: "cpu", OTHER: "nvidia-no-driver"}
CREATED = "docker events --filter type=container --filter event=create --format {{.ID}}"


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    """A host that converged, and one whose card has no driver."""
    with fresh(lab, HOSTS) as fleet:
        assert fleet.converge("--limit", HOST).code == 0
        yield fleet


@pytest.fixture
def converged(fleet: Fleet) -> Fleet:
    run = fleet.converge("--limit", HOST)
    assert run.code == 0, run.output
    return fleet


def untouched(fleet: Fleet, run: Run, line: str) -> None:
    """The run failed with this one line, and changed nothing."""
    assert run.code != 0
    assert len([x for x in run.lines if line in x]) == 1, run.output
    assert "Traceback" not in run.output
    assert "Beginning operation run" not in run.output


# Before anything is touched


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["--data", "stak=starter"], "group_data/stak: unknown key 'stak'; did you mean 'stack'?"),
        (
            ["--data", "stack=startr"],
            "group_data/stack -> stacks/startr: is not in the catalog; did you mean 'starter'?",
        ),
        (["--data", "reserve_ram_mib=99999999"], "ledger/ram: "),
        (["--data", "reserve_disk_mib=99999999"], "/srv/gpufleet: "),
    ],
)
def test_bad_settings_touch_nothing(converged: Fleet, settings: list[str], line: str) -> None:
    before = converged.snapshot(HOST)
    untouched(converged, converged.converge("--limit", HOST, *settings), line)
    assert converged.snapshot(HOST) == before


def test_a_port_taken_by_a_stranger_is_named(converged: Fleet) -> None:
    converged.lab.run(HOST, "systemd-run --unit=squatter /usr/sbin/sshd -D -p 4444")
    try:
        run = converged.converge("--limit", HOST, "--data", 'ports={"litellm": 4444}')
        untouched(converged, run, "ports/litellm: port 4444 is taken by sshd (pid ")
    finally:
        converged.lab.run(HOST, "systemctl stop squatter")


def test_dockerd_that_fails_is_said(converged: Fleet) -> None:
    folder = "/etc/systemd/system/docker.service.d"
    broken = f"mkdir -p {folder}; printf '[Service]\nExecStart=\nExecStart=/bin/false\n' >{folder}/broken.conf"
    converged.lab.run(HOST, f"{broken}; systemctl daemon-reload; systemctl restart docker", check=False)
    try:
        untouched(converged, converged.converge("--limit", HOST), "engine: docker does not answer: ")
    finally:
        converged.lab.run(
            HOST, f"rm -r {folder}; systemctl daemon-reload; systemctl reset-failed docker; systemctl restart docker"
        )
    converged.wait_for(HOST)


def test_dockerd_that_was_never_started_is_started(converged: Fleet) -> None:
    """As a run leaves it that is killed while a package manager of rpm works."""
    converged.lab.run(HOST, "systemctl disable --now docker.socket docker")
    run = converged.converge("--limit", HOST)
    assert run.code == 0, run.output
    assert converged.lab.run(HOST, "systemctl is-enabled docker").stdout == "enabled\n"
    assert converged.converge("--json", "--limit", HOST).totals["success"] == 0


def test_a_file_of_secrets_that_compose_cannot_read(converged: Fleet) -> None:
    converged.lab.run(HOST, f"printf 'X!=hidden\\n' >>{ENV}")
    try:
        run = converged.converge("--limit", HOST)
        untouched(converged, run, f"{ENV}: line ")
        assert "hidden" not in run.output
    finally:
        converged.lab.run(HOST, f"sed -i '/hidden/d' {ENV}")


def test_one_refused_host_does_not_stop_the_other(converged: Fleet) -> None:
    converged.lab.run(HOST, "docker stop starter-redis-1")
    run = converged.converge()
    assert run.code == 1
    # pyinfra pads a host's name to the longest of the inventory.
    said = " ".join(run.output.split())
    assert f"[{OTHER}] gpus: no usable GPU for the role single_gpu: 0000:01:00.0 10de:2684: no-driver-bound" in said
    assert converged.lab.run(OTHER, "ls -d /srv/gpufleet", check=False).stdout == ""
    assert "(healthy)" in converged.lab.run(HOST, "docker ps --filter name=redis --format '{{.Status}}'").stdout


def test_an_unreachable_host_does_not_stop_the_other(converged: Fleet) -> None:
    converged.lab.run(HOST, "docker stop starter-redis-1")
    converged.lab.link(OTHER, up=False)
    try:
        run = converged.converge()
    finally:
        converged.lab.link(OTHER, up=True)
    assert run.code == 1
    assert f"[{OTHER}]" in run.output
    assert "(healthy)" in converged.lab.run(HOST, "docker ps --filter name=redis --format '{{.Status}}'").stdout


# While it changes something


def _catalog(folder: Path, **changes: Any) -> list[str]:
    """Settings that use a catalog in which the engine's entry is changed."""
    entry = {**yaml.safe_load((OURS / "services/llama-cpp.yaml").read_text()), **changes}
    (folder / "services").mkdir()
    (folder / "services/llama-cpp.yaml").write_text(yaml.safe_dump(entry))
    return ["--data", f"catalog={folder}", "--data", "health_deadline=20"]


def test_the_next_run_waits_for_what_a_killed_one_left_at_work(converged: Fleet) -> None:
    """Two of Compose at once would meet each other's containers."""
    anew = ("--limit", HOST, "--data", 'options={"llama": {"context": 1024}}')
    work = "pgrep -f 'compose .*up -d'"
    run = converged.start(*anew)
    until("Compose", lambda: converged.lab.run(HOST, work, check=False).returncode == 0)
    run.kill()
    run.wait()
    assert converged.lab.run(HOST, work, check=False).returncode == 0
    after = converged.converge(*anew)
    assert after.code == 0, after.output
    assert converged.converge("--json", *anew).totals["success"] == 0


def test_a_release_that_does_not_come_up_is_put_back(converged: Fleet, tmp_path: Path) -> None:
    secret = key(converged, HOST)
    command = ["--model", "/models/gone.gguf", "--alias", "$$LITELLM_MASTER_KEY"]
    run = converged.converge("--limit", HOST, *_catalog(tmp_path, command=command))
    assert run.code == 1
    # On a busy machine others may be late too.
    assert re.search(r"services: [a-z ]*llama [a-z ]*did not become healthy", run.output), run.output
    assert "gone.gguf" in run.output, "the container's own last lines are shown"
    assert re.search(r"release: [0-9a-f]{16} is back and healthy; mend the cause, then run again", run.output)
    assert secret not in run.output
    assert converged.ask(HOST) == " pong from lab"
    assert converged.converge("--json", "--limit", HOST).totals["success"] == 0


def test_a_gate_that_does_not_open_is_named_and_the_release_put_back(converged: Fleet, tmp_path: Path) -> None:
    entry = {**yaml.safe_load((OURS / "services/litellm.yaml").read_text()), "gate": {"path": "/nowhere"}}
    (tmp_path / "services").mkdir()
    (tmp_path / "services/litellm.yaml").write_text(yaml.safe_dump({**entry, "stop_grace_period": 3}))
    converged.lab.run(HOST, f"systemd-run -q --unit=created sh -c '{CREATED} >/root/created'")
    run = converged.converge("--limit", HOST, "--data", f"catalog={tmp_path}")
    created = converged.lab.run(HOST, "systemctl stop created; wc -l </root/created").stdout
    assert run.code == 1
    assert "services/litellm: port 4000: /nowhere gives HTTP 404 instead of HTTP 200" in run.output
    assert "is back and healthy" in run.output
    assert int(created) == 2, "a container of the new release, one of the old, and none on the way"
    assert converged.converge("--json", "--limit", HOST).totals["success"] == 0


def test_an_image_that_is_not_there_leaves_everything_running(converged: Fleet, tmp_path: Path) -> None:
    before = converged.snapshot(HOST).containers
    image = {"cpu": "ghcr.io/ggml-org/llama.cpp:server-b1"}
    run = converged.converge("--limit", HOST, *_catalog(tmp_path, image=image))
    assert run.code == 1
    assert "images: cannot pull: " in run.output
    assert "manifest unknown" in run.output
    assert converged.snapshot(HOST).containers == before


def test_a_model_with_other_bytes_is_never_visible(converged: Fleet) -> None:
    model = converged.model("lab-other.gguf")
    model["chat"] |= {"file": "forged.gguf", "sha256": "0" * 64}
    run = converged.converge("--limit", HOST, "--data", f"models={json.dumps(model)}")
    assert run.code == 1
    assert (
        "models/forged.gguf: its source has other bytes than it should; check the model's entry, then run again"
        in run.output
    )
    assert "forged" not in converged.lab.run(HOST, "ls /srv/gpufleet/models").stdout


def test_a_partial_model_is_finished_not_fetched_again(converged: Fleet) -> None:
    models = "/srv/gpufleet/models"
    cut = "head -c 1000000 lab-tiny.gguf >.incoming/$(sha256sum <lab-tiny.gguf | cut -c1-64); rm lab-tiny.gguf"
    converged.lab.run(HOST, f"cd {models}; {cut}")
    assert converged.converge("--limit", HOST).code == 0
    assert converged.lab.run(HOST, f"ls {models}/.incoming").stdout == ""
