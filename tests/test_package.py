"""The package: one import name, and a wheel that holds all of it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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


def test_links_lead_into_the_package() -> None:
    for name in ("deploys", "facts", "templates"):
        assert (ROOT / "gpufleet" / name).readlink() == Path("..") / name


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = [n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n]
    assert {n.split("/")[0] for n in names} == {"gpufleet"}
    tree = {p.relative_to(ROOT).as_posix() for p in _package_files(ROOT / "gpufleet")}
    assert set(names) == tree


def _package_files(folder: Path) -> list[Path]:
    """Files below a folder, through its links."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "__pycache__":
            found += _package_files(path)
        elif path.is_file():
            found.append(path)
    return found


def test_pyinfra_does_not_take_our_frames_for_its_own() -> None:
    """Operations are told apart by the stack; frames below site-packages/pyinfra* are passed over."""
    assert not (ROOT / "gpufleet").name.startswith("pyinfra")
