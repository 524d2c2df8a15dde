"""The same packages as .rpm, and repositories of them, signed as the vendors sign theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from . import archive
from .packages import Package, filled
from .paths import FILES
from .shell import run

TOLD: dict[str, Any] = yaml.safe_load((FILES / "rpms.yaml").read_text())
HEAD = """\
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global _binary_payload w1.zstdio
Name: {name}
Epoch: {epoch}
Version: {version}
Release: {release}
Summary: A stand-in of gpufleet's lab
License: MIT
AutoReqProv: no
"""


def build(package: Package, work: Path, target: Path) -> None:
    """Write ``target``/NAME-VERSION.ARCHITECTURE.rpm, with the version's epoch in it."""
    tree = package.lay(work / "trees", without="DEBIAN")
    spec = work / f"{package.name}.spec"
    spec.write_text(_spec(package, tree))
    target.mkdir(parents=True, exist_ok=True)
    top = ("--define", f"_topdir {work}/rpmbuild", "--define", f"_rpmdir {target}")
    run("rpmbuild", "-bb", "--quiet", *top, "--define", "_build_name_fmt %{NVRA}.rpm", "--target", "x86_64-linux", spec)


def _spec(package: Package, tree: Path) -> str:
    epoch, version, release = re.fullmatch(r"(?:(\d+):)?([^-]+)-(.+)", package.version).groups()  # type: ignore[union-attr]
    told = TOLD[package.name]
    lines = [HEAD.format(name=package.name, epoch=epoch or 0, version=version, release=release)]
    lines += [f"{key.title()}: {word}\n" for key in ("requires", "conflicts", "provides") for word in told.get(key, ())]
    lines += ["%description\nSee its summary.\n%install\n", f"cp -a {tree}/. %{{buildroot}}\n"]
    lines += [f"%{key}\n{told[key]}" for key in ("post", "preun") if key in told]
    files = sorted(f"/{p.relative_to(tree)}\n" for p in tree.rglob("*") if p.is_file())
    values = {**package.values, "VERSION": package.version, "UPSTREAM": version}
    return filled("".join([*lines, "%files\n", *files]), values)


def repository(root: Path, modules: Iterable[dict[str, Any]] = ()) -> None:
    """Sign the packages that lie in ``root``, and its index."""
    home = archive.key() / "home"
    macros = (f"_gpg_name {archive.OWNER}", f"_gpg_path {home}", "__gpg /usr/bin/gpg")
    run("rpmsign", *(f"--define={macro}" for macro in macros), "--addsign", *sorted(root.glob("*.rpm")))
    run("createrepo_c", "--quiet", root)
    if modules:
        (root / "modules.yaml").write_text(yaml.safe_dump_all(modules, sort_keys=False))
        run("modifyrepo_c", "--mdtype=modules", root / "modules.yaml", root / "repodata")
    archive.detached(root / "repodata/repomd.xml")


def module(name: str, stream: str, rpms: Iterable[Path]) -> dict[str, Any]:
    """A stream of a module: packages that are seen only where it is enabled."""
    form = "%{NAME}-%{EPOCH}:%{VERSION}-%{RELEASE}.%{ARCH}"
    artifacts = [run("rpm", "-qp", "--nosignature", "--qf", form, p) for p in rpms]
    data = {"name": name, "stream": stream, "version": 1, "context": "lab", "arch": "x86_64"}
    told = {"summary": "A stand-in", "description": "A stand-in", "license": {"module": ["MIT"]}}
    return {"document": "modulemd", "version": 2, "data": {**data, **told, "artifacts": {"rpms": artifacts}}}
