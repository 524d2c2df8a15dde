"""Distro: what a distribution calls things, and where their packages come from. One file ``distros/ID.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Noun, like

Fingerprint = Annotated[str, like(r"^[0-9A-F]{40}$", "write it like C95B321B61E88C1809C4F759DDCAE044F796ECB0")]
Vendor = Literal["docker", "toolkit", "driver", "amd_toolkit", "amd_driver"]
PackageManager = Literal["apt", "dnf", "zypper"]
EngineName = Literal["docker", "podman"]


class Key(Noun):
    """The key that signs a repository: where it is published, where it goes, and its fingerprint."""

    url: str
    file: str
    fingerprint: Fingerprint


class Pin(Noun):
    """What apt may take of a repository: a file of preferences."""

    file: str
    content: str


class Repository(Noun):
    """A vendor's repository. ``content`` of its ``file`` may use ``{{ url }}``, ``{{ release }}`` and ``{{ arch }}``.

    ``url`` may use ``release``, ``arch``, ``machine`` (`uname -m`, arm as sbsa) and ``id`` (``debian13``); ``packages``
    are what gpufleet takes from there. ``keys``: by release, where it has one of its own. ``pin``: keeps it from more.
    """

    url: str
    file: str
    content: str
    key: Key
    keys: dict[str, Key] = {}
    pin: Pin | None = None
    packages: list[str] = Field(min_length=1)


class Release(Noun):
    """A release of the distribution: ``name`` as repositories call it.

    ``docker``: its own packages of Docker and Compose v2. ``podman``: Podman with all that its networks need, and
    ``client``: Docker's CLI and Compose, which may be of Docker's own repository; none: too old here.
    """

    name: str
    docker: list[str] = []
    podman: list[str] = []
    client: list[str] = []


class Driver(Noun):
    """Packages of NVIDIA's driver: ``first`` keeps the branch, ``headers`` are the running kernel's, then a flavour's.

    All may use ``{{ branch }}``, ``{{ kernel }}`` and ``{{ flavour }}``, and be NAME=VERSION with wildcards. ``first``
    are packages for apt, streams of modules for dnf. ``needs``: one of these must have been installed before.
    """

    needs: list[str] = []
    first: list[str] = []
    headers: list[str] = []
    open: list[str] = Field(min_length=1)
    proprietary: list[str] = Field(min_length=1)


class AmdRelease(Noun):
    """What AMD's repositories call a release of the distribution: the ``suite``, and its ``number`` in versions."""

    suite: str
    number: str = ""


class Amd(Noun):
    """AMD's packages, by VERSION_ID of the ``releases`` that have them; they are built for x86_64 alone.

    ``driver``: the modules and what they are built with, may use ``{{ kernel }}``; ``toolkit``: the exact version of
    the container toolkit, of ``{{ version }}`` and ``{{ number }}``, empty where there is none.
    """

    releases: dict[str, AmdRelease]
    driver: list[str] = Field(min_length=1)
    toolkit: str = ""


class Distro(Noun):
    """``releases`` by VERSION_ID, or its part before the dot; ``arch``: what repositories call `uname -m`.

    ``conflicts``: packages that cannot be beside Docker's own.
    """

    package_manager: PackageManager
    releases: dict[str, Release]
    arch: dict[str, str]
    conflicts: list[str] = []
    driver: Driver | None = None
    amd: Amd | None = None
    repositories: dict[Vendor, Repository] = {}


class DriverFamily(Noun):
    """Cards from the PCI device id ``first`` on (four hex digits), and the kernel modules that drive them."""

    first: Annotated[str, like(r"^[0-9a-f]{4}$", "write it like 1e81")]
    name: str
    flavours: list[Literal["open", "proprietary"]]
    branch: int | None = None
