"""What a host is, as its facts say."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import SecretStr

from .base import Noun
from .distro import EngineName
from .fleet import Shared
from .gpu import Gpus
from .provision import Plumbing


class Container(Noun):
    """A container as `docker ps -a` shows it; ``project``, ``service`` and ``directory`` are Compose's labels."""

    name: str
    state: str
    health: Literal["healthy", "unhealthy", "starting", "none"]
    project: str
    service: str
    config_hash: str
    ports: str
    directory: str = ""

    def publishes(self, port: int) -> bool:
        """Whether this is a port of it on the host. Ports in a row are one range: ``0.0.0.0:80-81->80-81/tcp``."""
        ranges = re.findall(r":(\d+)(?:-(\d+))?->", self.ports)
        return any(int(first) <= port <= int(last or first) for first, last in ranges)


class Disk(Noun):
    """The file system that holds ``path`` (or its nearest parent that exists); those of one ``device`` share space."""

    path: str
    free_mib: int
    total_mib: int
    writable: bool
    device: str = ""


class Engine(Noun):
    """The container engine. ``version`` None: not installed; ``reachable`` False: it does not answer us.

    ``compose_version``: of the plugin of Docker's CLI, which Podman needs too. ``images``: those that are there, as
    ``REGISTRY/NAME:TAG`` and ``REGISTRY/NAME@DIGEST``; ``store``: the disk that it keeps them on.
    """

    name: EngineName = "docker"
    version: str | None = None
    compose_version: str | None = None
    reachable: bool = False
    complaint: str = ""
    cdi_devices: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    live_restore: bool = False
    containers: tuple[Container, ...] = ()
    images: tuple[str, ...] = ()
    store: Disk | None = None


class Listener(Noun):
    """A listening TCP socket. ``process`` is known only to root."""

    address: str
    port: int
    process: str | None = None


class System(Noun):
    """Distribution, kernel, user, memory and IPv4 addresses (none: not known).

    ``own_key``: the firmware trusts the key that dkms signs modules with.
    """

    distro: str = "unknown"
    distro_version: str = ""
    arch: str = "unknown"
    uid: int = -1
    memory_mib: int = 0
    selinux: bool = False
    kernel: str = ""
    secure_boot: bool = False
    own_key: bool = False
    package_manager: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As findings call it: ``debian 13 on x86_64``."""
        return " ".join(filter(None, (self.distro, self.distro_version, "on", self.arch)))

    @property
    def refuses_modules(self) -> bool:
        """Whether it would not load a module that is built on it."""
        return self.secure_boot and not self.own_key


class KeptFile(Noun):
    """A file that its user and a program write, too. ``why`` it cannot be read, where it cannot.

    Its text may hold the user's secrets, so nothing prints it.
    """

    text: SecretStr = SecretStr("")
    why: str = ""


class HostFacts(Noun):
    """Everything plan() asks of a host.

    ``node_groups``: the numeric group of each device node of AMD's cards; ``elsewhere``: projects of Compose under the
    engine that is not the wanted one; ``answers``: by a URL what it answers to the host: an HTTP status, or why there
    is none; ``env_keys``: the secrets that .env has, ``env_wrong`` the numbers of its lines that cannot be read;
    ``known``: what its last release was told of other hosts; ``stored``: bytes of the directory of models, and of what
    lies in it, by path below data_root, where there is a limit for it.
    """

    system: System = System()
    gpus: Gpus = Gpus()
    engine: Engine = Engine()
    disks: tuple[Disk, ...] = ()
    listeners: tuple[Listener, ...] = ()
    accounts: dict[str, tuple[str, ...]] = {}
    present: dict[str, int] = {}
    answers: dict[str, str] = {}
    node_groups: dict[str, int] = {}
    plumbing: Plumbing = Plumbing()
    elsewhere: tuple[str, ...] = ()
    kept: dict[str, KeptFile] = {}
    env_keys: tuple[str, ...] = ()
    env_wrong: tuple[int, ...] = ()
    known: tuple[Shared, ...] = ()
    stored: dict[str, int] = {}


class Entry(Noun):
    """A path on the host, links followed (``link``: there was one).

    ``mode`` in octal digits; ``kind`` as `stat` names it, or ``dangling``.
    """

    path: str
    kind: str
    mode: str
    uid: int
    gid: int
    size: int
    link: bool = False


class HostState(Noun):
    """What converging needs to know: compared with a plan, it says what is left to do.

    ``release`` holds sha256 by path of the wanted release's files on the host, ``live`` of live files where they are
    read, ``hashes`` Compose's config hash of each service as it shall be, ``env_keys`` the secrets that .env has (of
    those that are given: with that value), ``accounts`` the groups of each operator's account, ``unit`` the sha256 of
    our unit where it is enabled, ``shared`` that of the rules of shared ports where they are in force, ``cdi`` the
    devices of all CDI specifications, ``models`` by path below their directory the digest of each model's file that is
    as it was when that was found in it, ``done`` the steps that say that they are complete, ``kept`` the files that
    others write, too, by path.
    """

    unit: str | None = None
    shared: str | None = None
    accounts: dict[str, tuple[str, ...]] = {}
    containers: tuple[Container, ...] = ()
    entries: dict[str, Entry] = {}
    env_keys: tuple[str, ...] = ()
    current: str | None = None
    verified: str | None = None
    release: dict[str, str] = {}
    live: dict[str, str] = {}
    hashes: dict[str, str] = {}
    cdi: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    models: dict[str, str] = {}
    plumbing: Plumbing = Plumbing()
    kept: dict[str, KeptFile] = {}
