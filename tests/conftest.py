"""What tests share: the hosts of the cases, and the lab."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from gpufleet.plan import Wanted, plan, want
from gpufleet.schema import HostFacts, Plan, read
from tests.charts import unpacked
from tests.fetching import FOLDER, TOKEN, Bench, content
from tests.hub import Hub, publish, serve
from tests.lab import Lab
from tests.lab.shell import exclusive
from tests.lab.trees import machine_packages
from tests.locking import Site, served

# Speed is measured in bench/, never asserted in a test. The same examples in every run: a failure can be met again.
settings.register_profile("gpufleet", deadline=None, derandomize=True, max_examples=400)
settings.load_profile("gpufleet")
ROOT = Path(__file__).parent.parent
CASES = ROOT / "tests" / "cases"


def cases(name: str) -> dict[str, Any]:
    """A file of cases by their names."""
    return dict(yaml.safe_load((CASES / f"{name}.yaml").read_text()))


@pytest.fixture(scope="session")
def shells() -> None:
    """The shells that probes have to run in are there: a machine has not all of them by itself."""
    if os.geteuid() == 0:
        with exclusive():
            machine_packages()
    elif not shutil.which("busybox"):
        pytest.skip("busybox is not installed, and only root can")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab; at the end it is as it was found: ended, unless somebody's hosts run there."""
    lab = Lab()
    yield lab
    lab.down(unless_used=True)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hugging Face Hub without repositories, of this test alone."""
    with serve(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture(scope="session")
def hosts() -> dict[str, HostFacts]:
    """Facts by host name."""
    return {name: read(HostFacts, facts, f"hosts/{name}") for name, facts in cases("hosts").items()}


def wanted(role: str = "cpu", data: dict[str, Any] | None = None) -> Wanted:
    """What a host of ``role`` with ``data`` shall run."""
    return want(["all", role], data or {})


def planned(facts: HostFacts, role: str = "cpu", data: dict[str, Any] | None = None) -> Plan:
    """The plan of a host."""
    return plan("host", wanted(role, data), facts)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git has, as a release would be."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in tracked.split("\0"):
        if name and ((ROOT / name).exists() or (ROOT / name).is_symlink()):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).symlink_to((ROOT / name).readlink()) if (ROOT / name).is_symlink() else (
                source / name
            ).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `helm`."""
    if platform.machine() != "x86_64":
        pytest.skip("the locked Helm is for x86_64")
    return unpacked(tmp_path_factory.mktemp("helm"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    root = tmp_path / "hub"
    commits = {
        "o/m": publish(root, "o/m", {"m.gguf": content("m.gguf"), **FOLDER}),
        "o/gated": publish(root, "o/gated", {"m.gguf": content("m.gguf")}, gated=True, allowed=[TOKEN]),
    }
    (tmp_path / "models").mkdir()
    with serve(root) as hub:
        yield Bench(hub, tmp_path / "models", commits)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    """Where `gpufleet lock` runs: two hosts, a catalog, and the servers that are asked."""
    with served(tmp_path, monkeypatch) as (hub, images, common):
        Path("group_data").mkdir()
        Path("group_data/all.py").write_text("".join(f"{key} = {value!r}\n" for key, value in common.items()))
        Path("inventory.py").write_text("cpu = ['b.example', ('a.example', {'services': {'puller': True}})]\n")
        yield Site(hub, images, capsys)
