"""What a host has of its user's: nothing of it is lost, drift is mended, secrets stay where they belong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drive import ENV, ROOT, Fleet, fresh, key
from tests.lab import Lab

pytestmark = pytest.mark.lab
HOST = "own1"


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    """A fresh host."""
    with fresh(lab, {HOST: "cpu"}) as fleet:
        yield fleet


@pytest.fixture
def converged(fleet: Fleet) -> Fleet:
    run = fleet.converge()
    assert run.code == 0, run.output
    return fleet


# What is the user's


def test_foreign_lines_of_env_stay(converged: Fleet) -> None:
    secret = key(converged, HOST)
    converged.lab.run(
        HOST, f"printf '# mine\\nMY_KEY=abc\\nREDIS_PASSWORD=\\n' >>{ENV}; sed -i '/^REDIS_PASSWORD=./d' {ENV}"
    )
    converged.lab.run(HOST, f"printf 'NO_NEWLINE=1' >>{ENV}; chmod 644 {ENV}")
    assert converged.converge().code == 0
    env = converged.lab.run(HOST, f"cat {ENV}").stdout
    assert "# mine\nMY_KEY=abc\n" in env
    assert f"LITELLM_MASTER_KEY={secret}\n" in env
    assert "NO_NEWLINE=1\n" in env
    assert re.search(r"^REDIS_PASSWORD=[0-9a-f]{48}$", env, re.MULTILINE)
    assert converged.lab.run(HOST, f"stat -c '%a %U' {ENV}").stdout.strip() == "600 root"


def test_a_secret_that_is_given_reaches_the_host_alone(converged: Fleet) -> None:
    """Set where it differs; only who uses it is made anew; a machine that does not have it changes nothing."""
    data = ("--data", 'secrets={"LITELLM_MASTER_KEY": "env:LAB_KEY"}')
    containers = converged.snapshot(HOST).containers
    for word in ("sk-given-$HOME#1", "sk-given-2"):
        mine = {"LAB_KEY": word}
        plan = [sys.executable, "-m", "gpufleet", "plan", "inventory/lab.py", "--limit", HOST, *data, "--json"]
        told = subprocess.run(plan, cwd=ROOT, env={**os.environ, **mine}, capture_output=True, text=True, check=False)
        changes = json.loads(told.stdout)["hosts"][HOST]["containers"]
        assert [c["service"] for c in changes] == ["litellm"]
        run = converged.pyinfra("-vvv", "-y", "inventory/lab.py", "--limit", HOST, *data, "deploy.py", env=mine)
        assert run.code == 0, run.output
        assert word not in run.output + told.stdout + told.stderr
        inside = converged.lab.run(HOST, "docker exec starter-litellm-1 printenv LITELLM_MASTER_KEY")
        assert inside.stdout.strip() == word
        for env in (mine, {}):
            again = converged.pyinfra("--json", "-y", "inventory/lab.py", "--limit", HOST, *data, "deploy.py", env=env)
            assert again.totals["success"] == 0, again.output
    after = converged.snapshot(HOST).containers
    assert {name for name in after if after[name] != containers[name]} == {"starter-litellm-1"}


def test_what_no_service_has_is_deleted_by_its_name_alone(converged: Fleet) -> None:
    make = "cd /srv/gpufleet; mkdir data/old /srv/far; touch data/old/file models/old.gguf /srv/far/mine"
    converged.lab.run(HOST, f"{make}; ln -s /srv/far data/far")
    purge = ("-y", "inventory/lab.py", "--limit", HOST, "gpufleet.deploys.purge")
    shown = converged.pyinfra(*purge)
    assert shown.code == 0, shown.output
    told = [line.partition("/srv/gpufleet/")[2] for line in shown.lines if "/srv/gpufleet/" in line]
    assert sorted(told) == ["data/far: 0.0 GB", "data/old: 0.0 GB", "models/old.gguf: 0.0 GB"]
    for names, line in (
        ("data/redis", "delete/data/redis: a service of the plan has it; leave it out"),
        ("data/odl", "delete/data/odl: is not there; did you mean 'data/old'?"),
    ):
        refused = converged.pyinfra(*purge, f"delete={names},data/old")
        assert (refused.code, line in refused.output) == (1, True), refused.output
    assert converged.pyinfra(*purge, "delete=data/old,data/far").code == 0
    listed = converged.lab.run(HOST, "cd /srv/gpufleet; ls data models /srv/far").stdout.split()
    assert {"redis", "old.gguf", "mine"} <= {*listed}
    assert not {"old", "far"} & {*listed}
    assert converged.converge("--json").totals["success"] == 0


def test_a_linked_model_directory_stays_a_link(converged: Fleet) -> None:
    converged.lab.run(
        HOST, "mkdir -p /mnt/share && cp -a /srv/gpufleet/models/. /mnt/share/ && chown -R 1000:1000 /mnt/share"
    )
    converged.lab.run(HOST, "mv /srv/gpufleet/models /srv/old-models && ln -s /mnt/share /srv/gpufleet/models")
    run = converged.converge("--json")
    assert run.totals["error"] == 0
    assert converged.lab.run(HOST, "readlink /srv/gpufleet/models; stat -c %u /mnt/share").stdout.split() == [
        "/mnt/share",
        "1000",
    ]
    converged.lab.run(HOST, "rm /srv/gpufleet/models && mv /srv/old-models /srv/gpufleet/models")


def test_an_operator_may_use_the_engine(converged: Fleet) -> None:
    converged.lab.run(HOST, "id operator1 >/dev/null 2>&1 || useradd -m operator1")
    settings = ("--data", 'operators=["operator1"]')
    assert converged.converge("--json", *settings).totals["success"] == 1
    assert converged.converge("--json", *settings).totals["success"] == 0
    assert "starter-redis-1" in converged.lab.run(HOST, "su operator1 -c 'docker ps'").stdout


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
    mended = converged.converge("--json")
    assert mended.totals["success"] > 0
    assert mended.totals["error"] == 0
    assert converged.converge("--json").totals["success"] == 0
    after = converged.snapshot(HOST)
    assert after.env == before.env
    assert after.containers.keys() == before.containers.keys()
    assert converged.ask(HOST) == " pong from lab"


# Secrets


def test_secrets_are_in_no_output_and_no_wide_file(fleet: Fleet) -> None:
    fleet.lab.wipe(HOST)
    first = fleet.converge("-vvv", "--diff")
    assert first.code == 0, first.output
    runs = [first, fleet.pyinfra("-vvv", "--diff", "--dry", "inventory/lab.py", "--limit", HOST, "deploy.py")]
    runs += [fleet.converge("--json"), fleet.converge("-vvv")]
    env = fleet.lab.run(HOST, f"cat {ENV}").stdout
    values = [line.split("=", 1)[1] for line in env.splitlines() if "=" in line]
    assert len(values) == 2
    for value in values:
        assert len(value) >= 48
        assert all(value not in run.output for run in runs)
        # What the engine gives a container for each health check is root's alone, and gone at once.
        found = f"grep -rlF {value} /srv /etc /tmp /var/log --exclude='runc-process*' 2>/dev/null"
        wide = f"{found} | xargs -r stat -c '%a %n'"
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
