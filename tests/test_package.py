"""The package: one import name, and a wheel that holds all of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


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
