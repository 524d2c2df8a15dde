"""Signed apt repositories, and the key of the lab that signs them in the vendors' place."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

from .shell import cached, run

OWNER = "gpufleet lab, in the place of vendors <lab@example.invalid>"


def key() -> Path:
    """The folder of the key: ``home`` of GnuPG, ``public.asc``, ``fingerprint``."""
    return cached("vendors-key", OWNER, _make_key)


def _make_key(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "--quiet")
    run(*gpg, "--passphrase", "", "--quick-generate-key", OWNER, "ed25519", "sign", "never")
    (folder / "public.asc").write_text(run(*gpg, "--armor", "--export"))
    found = re.search(r"^fpr:+([0-9A-F]{40}):", run(*gpg, "--with-colons", "--list-keys"), re.MULTILINE)
    assert found
    (folder / "fingerprint").write_text(found[1])
    _end_agent(home)


def _end_agent(home: Path) -> None:
    run("gpgconf", "--homedir", home, "--kill", "all")


def publish_keys(*places: Path) -> None:
    """Lay the public key where a vendor has its own."""
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(key() / "public.asc", place)


def flat(root: Path, fields: Mapping[str, str]) -> None:
    """A repository without suites: everything lies in one folder."""
    _index(root, root, root)
    _release(root, fields)


def suite(root: Path, name: str, component: str, fields: Mapping[str, str]) -> None:
    """A suite of the repository ``root``; its packages lie in dists/NAME/pool."""
    release = root / "dists" / name
    _index(root, release / "pool", release / component / "binary-amd64")
    _release(release, {**fields, "Suite": name, "Codename": name, "Components": component})


def _index(root: Path, debs: Path, target: Path) -> None:
    """Packages and Packages.gz in ``target``."""
    stanzas = [_stanza(deb, root) for deb in sorted(debs.rglob("*.deb"))]
    target.mkdir(parents=True, exist_ok=True)
    (target / "Packages").write_text("\n".join(stanzas))
    (target / "Packages.gz").write_bytes(gzip.compress((target / "Packages").read_bytes(), mtime=0))


def _stanza(deb: Path, root: Path) -> str:
    control = run("dpkg-deb", "-f", deb).strip()
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}\nFilename: {deb.relative_to(root)}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"


def _release(folder: Path, fields: Mapping[str, str]) -> None:
    """Release with the digests of all indices below, signed within (InRelease) and beside (Release.gpg)."""
    told = {**fields, "Architectures": "amd64", "Date": formatdate(usegmt=True).replace("GMT", "UTC")}
    lines = [f"{name}: {value}" for name, value in told.items()] + ["SHA256:"]
    for index in sorted(folder.rglob("Packages*")):
        digest = hashlib.sha256(index.read_bytes()).hexdigest()
        lines.append(f" {digest} {index.stat().st_size} {index.relative_to(folder)}")
    (folder / "Release").write_text("\n".join(lines) + "\n")
    _sign("--clearsign", folder / "Release", folder / "InRelease")
    _sign("--detach-sign", folder / "Release", folder / "Release.gpg")


def detached(file: Path) -> None:
    """Sign ``file`` as repositories of .rpm are: in FILE.asc beside it."""
    _sign("--detach-sign", file, file.with_name(f"{file.name}.asc"))


def _sign(how: str, file: Path, target: Path) -> None:
    home = key() / "home"
    run("gpg", "--homedir", home, "--batch", "--quiet", "--yes", "--armor", "--output", target, how, file)
    _end_agent(home)
