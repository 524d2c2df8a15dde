"""Debian packages made of a folder of files/vendors, and of real programs taken out of Debian's own packages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .paths import FILES
from .shell import cached, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Package:
    """What becomes a .deb; ``values`` stand in its files between at signs, ``programs`` are put where they say."""

    name: str
    version: str
    values: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, Path] = field(default_factory=dict)
    folder: str = ""

    def build(self, work: Path, target: Path) -> None:
        """Write ``target``/NAME_VERSION_ARCHITECTURE.deb; a file's name has no epoch."""
        target.mkdir(parents=True, exist_ok=True)
        run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", self.lay(work), target)

    def lay(self, work: Path, without: str = "/") -> Path:
        """Its files, in a folder of their own; none of the folder ``without``."""
        tree = work / f"{self.name}-{self.version}"
        tree.mkdir(parents=True, exist_ok=True)
        values = {"NAME": self.name, "VERSION": self.version, "UPSTREAM": upstream(self.version), **self.values}
        source = FILES / "vendors" / (self.folder or self.name)
        for path in sorted(p for p in source.rglob("*") if p.is_file() and without not in p.relative_to(source).parts):
            _copy(path, tree / filled(str(path.relative_to(source)), values), values)
        for place, program in self.programs.items():
            (tree / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(program, tree / place)
        return tree


def upstream(version: str) -> str:
    """A version without what Debian puts around it."""
    return re.sub(r"^\d+:|[+~-].*", "", version)


def _copy(path: Path, new: Path, values: Mapping[str, str]) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_text(filled(path.read_text(), values))
    new.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def filled(text: str, values: Mapping[str, str]) -> str:
    """``text`` with the values between at signs."""
    return re.sub(r"@([A-Z]+)@", lambda m: values[m[1]], text)


@dataclass(frozen=True)
class Debian:
    """Packages of one of Debian's suites, unpacked together and not installed."""

    tree: Path
    versions: Mapping[str, str]
    libraries: Mapping[str, str]


def debian(suite: str, names: str) -> Debian:
    """These packages (apart by spaces), from the machine's own mirror."""
    folder = cached(f"debian-{suite}", names, lambda f: _download(f, suite, names.split()))
    debs = sorted(folder.glob("*.deb"))
    told = [{k: run("dpkg-deb", "-f", deb, k).strip() for k in ("Package", "Version", "Depends")} for deb in debs]
    return Debian(
        folder / "tree",
        {d["Package"]: upstream(d["Version"]) for d in told},
        {d["Package"]: ", ".join(re.findall(r"(?:^|, )(lib[^,]*)", d["Depends"])) for d in told},
    )


def _download(folder: Path, suite: str, names: list[str]) -> None:
    """By the machine's apt with sources, lists and a status of its own."""
    apt = folder / "apt"
    (apt / "lists/partial").mkdir(parents=True)
    (apt / "archives/partial").mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources").write_text(f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {suite} main\n")
    settings = {"Dir::Etc::SourceList": apt / "sources", "Dir::Etc::SourceParts": "/dev/null"}
    settings |= {"Dir::State::Lists": apt / "lists", "Dir::State::status": apt / "status", "Dir::Cache": apt}
    # A mirror may be some weeks old; what it holds is signed all the same.
    settings |= {"Acquire::Check-Valid-Until": "false", "APT::Sandbox::User": "root"}
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    run("apt-get", *options, "-q", "update")
    # It downloads into the directory where it runs.
    run("env", f"--chdir={folder}", "apt-get", *options, "-q", "download", *names)
    shutil.rmtree(apt)
    for deb in folder.glob("*.deb"):
        run("dpkg-deb", "-x", deb, folder / "tree")
