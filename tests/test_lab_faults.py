"""What goes wrong on real hosts: one line each, the other hosts go on, nothing is lost, and the next run mends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.catalog import OURS
from tests.drive import ENV, ROOT, Fleet, Run, key

pytestmark = pytest.mark.lab
HOST, OTHER = "fault1", "fault2"
HOSTS = {HOST: "cpu", OTHER: "nvidia-no-driver"}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A host that converged, and one whose card has no driver."""
    fleet = Fleet(HOSTS)
    fleet.fresh()
    assert fleet.converge("--limit", HOST).code == 0
    yield fleet
    fleet.lab.down(*HOSTS)


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


def test_dockerd_that_is_down_is_said(converged: Fleet) -> None:
    converged.lab.run(HOST, "systemctl stop docker.socket docker")
    try:
        untouched(converged, converged.converge("--limit", HOST), "engine: docker does not answer: ")
    finally:
        converged.lab.run(HOST, "systemctl start docker")
    converged.wait_for(HOST)


def test_one_refused_host_does_not_stop_the_other(converged: Fleet) -> None:
    converged.lab.run(HOST, "docker stop starter-redis-1")
    run = converged.converge()
    assert run.code == 1
    assert f"[{OTHER}] gpus: no usable GPU for the role single_gpu: 0000:01:00.0 10de:2684: no-driver" in run.output
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


def test_a_release_that_does_not_come_up_is_put_back(converged: Fleet, tmp_path: Path) -> None:
    secret = key(converged, HOST)
    command = ["--model", "/models/gone.gguf", "--alias", "$$LITELLM_MASTER_KEY"]
    run = converged.converge("--limit", HOST, *_catalog(tmp_path, command=command))
    assert run.code == 1
    assert "services: llama did not become healthy" in run.output
    assert "gone.gguf" in run.output, "the container's own last lines are shown"
    assert re.search(r"release: [0-9a-f]{16} is back and healthy; mend the cause, then run again", run.output)
    assert secret not in run.output
    assert converged.ask(HOST) == " pong from lab"
    assert converged.converge("--json", "--limit", HOST).totals["success"] == 0


def test_a_gate_that_does_not_open_is_named_and_the_release_put_back(converged: Fleet, tmp_path: Path) -> None:
    entry = {**yaml.safe_load((OURS / "services/litellm.yaml").read_text()), "gate": {"path": "/nowhere"}}
    (tmp_path / "services").mkdir()
    (tmp_path / "services/litellm.yaml").write_text(yaml.safe_dump({**entry, "stop_grace_period": 3}))
    run = converged.converge("--limit", HOST, "--data", f"catalog={tmp_path}")
    assert run.code == 1
    assert "services/litellm: port 4000: /nowhere gives HTTP 404 instead of HTTP 200" in run.output
    assert "is back and healthy" in run.output
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
    assert "models/forged.gguf: sha256 is " in run.output
    assert "forged" not in converged.lab.run(HOST, "ls /srv/gpufleet/models").stdout


def test_a_partial_model_is_finished_not_fetched_again(converged: Fleet) -> None:
    models = "/srv/gpufleet/models"
    cut = "head -c 1000000 lab-tiny.gguf >lab-tiny.gguf.partial; rm lab-tiny.gguf"
    converged.lab.run(HOST, f"cd {models}; {cut}")
    assert converged.converge("--limit", HOST).code == 0
    assert "partial" not in converged.lab.run(HOST, f"ls {models}").stdout


# What is the user's


def test_foreign_lines_of_env_stay(converged: Fleet) -> None:
    secret = key(converged, HOST)
    converged.lab.run(
        HOST, f"printf '# mine\\nMY_KEY=abc\\nREDIS_PASSWORD=\\n' >>{ENV}; sed -i '/^REDIS_PASSWORD=./d' {ENV}"
    )
    converged.lab.run(HOST, f"printf 'NO_NEWLINE=1' >>{ENV}; chmod 644 {ENV}")
    assert converged.converge("--limit", HOST).code == 0
    env = converged.lab.run(HOST, f"cat {ENV}").stdout
    assert "# mine\nMY_KEY=abc\n" in env
    assert f"LITELLM_MASTER_KEY={secret}\n" in env
    assert "NO_NEWLINE=1\n" in env
    assert re.search(r"^REDIS_PASSWORD=[0-9a-f]{48}$", env, re.MULTILINE)
    assert converged.lab.run(HOST, f"stat -c '%a %U' {ENV}").stdout.strip() == "600 root"


def test_a_linked_model_directory_stays_a_link(converged: Fleet) -> None:
    converged.lab.run(
        HOST, "mkdir -p /mnt/share && cp -a /srv/gpufleet/models/. /mnt/share/ && chown -R 1000:1000 /mnt/share"
    )
    converged.lab.run(HOST, "mv /srv/gpufleet/models /srv/old-models && ln -s /mnt/share /srv/gpufleet/models")
    run = converged.converge("--json", "--limit", HOST)
    assert run.totals["error"] == 0
    assert converged.lab.run(HOST, "readlink /srv/gpufleet/models; stat -c %u /mnt/share").stdout.split() == [
        "/mnt/share",
        "1000",
    ]
    converged.lab.run(HOST, "rm /srv/gpufleet/models && mv /srv/old-models /srv/gpufleet/models")


# Drift


@pytest.mark.parametrize(
    "drift",
    [
        "docker stop starter-redis-1",
        "docker rm -f starter-llama-1",
        "chmod 644 /srv/gpufleet/.env",
        "echo 'model_list: []' >/srv/gpufleet/current/litellm/config.yaml",
        "rm -rf /srv/gpufleet/releases/*/litellm",
        "rm /srv/gpufleet/current",
        "rm /srv/gpufleet/verified",
        "chown 0:0 /srv/gpufleet/data/redis; chmod 777 /srv/gpufleet/data/redis",
        "rm /srv/gpufleet/models/lab-tiny.gguf",
        "docker run -d --name starter-stray-1 --label com.docker.compose.project=starter "
        "--label com.docker.compose.service=stray --label com.docker.compose.config-hash=0 "
        "--label com.docker.compose.oneoff=False --entrypoint sleep docker.io/library/redis:8.2.1 600",
    ],
)
def test_drift_is_mended_and_nothing_else(converged: Fleet, drift: str) -> None:
    before = converged.snapshot(HOST)
    converged.lab.run(HOST, drift)
    mended = converged.converge("--json", "--limit", HOST)
    assert mended.totals["success"] > 0
    assert mended.totals["error"] == 0
    assert converged.converge("--json", "--limit", HOST).totals["success"] == 0
    after = converged.snapshot(HOST)
    assert after.env == before.env
    assert after.containers.keys() == before.containers.keys()
    assert converged.ask(HOST) == " pong from lab"


# Secrets


def test_secrets_are_in_no_output_and_no_wide_file(fleet: Fleet) -> None:
    fleet.lab.wipe(HOST)
    first = fleet.converge("-vvv", "--diff", "--limit", HOST)
    assert first.code == 0, first.output
    runs = [first, fleet.pyinfra("-vvv", "--diff", "--dry", "inventory/lab.py", "--limit", HOST, "deploy.py")]
    runs += [fleet.converge("--json", "--limit", HOST), fleet.converge("-vvv", "--limit", HOST)]
    env = fleet.lab.run(HOST, f"cat {ENV}").stdout
    values = [line.split("=", 1)[1] for line in env.splitlines() if "=" in line]
    assert len(values) == 2
    for value in values:
        assert len(value) >= 48
        assert all(value not in run.output for run in runs)
        wide = f"grep -rlF {value} /srv /etc /tmp /var/log --include='*' 2>/dev/null | xargs -r stat -c '%a %n'"
        assert fleet.lab.run(HOST, wide).stdout.split() == ["600", ENV]
        assert value not in fleet.lab.run(HOST, "ps axww -o args").stdout


# As others use it


def test_installed_from_the_wheel_in_another_directory(converged: Fleet, wheel: Path, tmp_path: Path) -> None:
    """`pip install gpufleet`, an inventory.py and a deploy.py of one's own."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    site = next((tmp_path / "venv/lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(next(p for p in sys.path if p.endswith("site-packages")))
    pip = [str(tmp_path / "venv/bin/python"), "-m", "pip", "install", "-q", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    (tmp_path / "inventory.py").write_text((ROOT / "inventory/lab.py").read_text())
    (tmp_path / "deploy.py").write_text("from gpufleet.deploys.site import site\n\nsite()\n")
    command = [str(tmp_path / "venv/bin/python"), "-m", "pyinfra", "-y", "inventory.py", "--limit", HOST, "deploy.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    assert "Run the release" in done.stderr
    assert converged.ask(HOST) == " pong from lab"


def test_a_user_without_root_sees_a_plan(fleet: Fleet) -> None:
    """A user of a host, over SSH: the plan is shown, and why it could not be carried out."""
    fleet.lab.run(HOST, "useradd -m user && cp -r /root/.ssh /home/user/ && chown -R user /home/user/.ssh")
    run = fleet.pyinfra("--dry", "inventory/lab.py", "--limit", HOST, "--ssh-user", "user", "deploy.py")
    assert f"{HOST}: starter as cpu, in /srv/gpufleet" in run.output
    assert "commands run as uid 1000; log in as root, or set `_sudo = True` in group_data" in run.output
    assert run.code == 1
