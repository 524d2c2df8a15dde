"""Distro: what a distribution calls things, and where their packages come from. One file ``distros/ID.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import Noun

Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{40}$")]
Vendor = Literal["docker", "toolkit"]
PackageManager = Literal["apt", "dnf", "zypper"]


class Key(Noun):
    """The key that signs a repository: where it is published, where it goes, and its fingerprint."""

    url: str
    file: str
    fingerprint: Fingerprint


class Repository(Noun):
    """A vendor's repository. ``content`` of its ``file`` may use ``{{ url }}``, ``{{ release }}`` and ``{{ arch }}``.

    ``url`` may use ``release`` and ``arch``; ``packages`` are what gpufleet takes from there.
    """

    url: str
    file: str
    content: str
    key: Key
    packages: list[str] = Field(min_length=1)


class Release(Noun):
    """A release of the distribution: ``name`` as repositories call it, its own packages of Docker and Compose v2."""

    name: str
    docker: list[str] = []


class Distro(Noun):
    """``releases`` by VERSION_ID, or its part before the dot; ``arch``: what repositories call `uname -m`.

    ``conflicts``: packages that cannot be beside Docker's own.
    """

    package_manager: PackageManager
    releases: dict[str, Release]
    arch: dict[str, str]
    conflicts: list[str] = []
    repositories: dict[Vendor, Repository] = {}
