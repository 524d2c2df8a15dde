"""Provision: what a host gets below its stack. Plumbing: what is there of it."""

from __future__ import annotations

from typing import Literal

from .base import Noun
from .distro import EngineName, PackageManager, Pin

Reboot = Literal["never", "ask", "when_needed"]
MARK = "# Written by gpufleet"  # the first line of its files of package sources
ENGINES = ("docker-ce", "docker.io", "docker")  # packages of dockerd


class Source(Noun):
    """A repository, ready to be written: its file, its key and that one's fingerprint."""

    name: str
    file: str
    content: str
    key_url: str
    key_file: str
    fingerprint: str
    pin: Pin | None = None

    @property
    def files(self) -> dict[str, str]:
        """What is written, by path; the key is fetched."""
        return {self.file: self.content, **({self.pin.file: self.pin.content} if self.pin else {})}


class Provision(Noun):
    """``first``: what decides on the versions of the others: packages for apt, streams of modules for dnf.

    ``packages`` by name, with the version (wildcards in it) or an empty one; ``hold``: those that no upgrade
    may touch.
    ``pending``: why nothing of the stack can be done before the host was rebooted, which ``reboot`` and
    ``reboot_window`` allow.
    ``cards``: NVIDIA's, by identity, that containers shall reach by ``route``: ``cdi``, or the runtime ``hook`` of old
    engines. ``amd_cards``: AMD's, by identity, that containers shall reach as CDI devices. ``version``: what the engine
    says of itself, whose packaging it may be; None: it does not answer, or is still to be installed.
    ``plain``: registries that it is to ask without TLS.
    """

    engine: EngineName = "docker"
    version: str | None = None
    manager: PackageManager | None = None
    first: tuple[str, ...] = ()
    reboot: Reboot = "never"
    reboot_window: str | None = None
    pending: str = ""
    sources: tuple[Source, ...] = ()
    packages: dict[str, str] = {}
    hold: tuple[str, ...] = ()
    route: Literal["cdi", "hook"] | None = None
    cards: tuple[str, ...] = ()
    amd_cards: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()

    @property
    def but_plain(self) -> Provision:
        """The same for an engine that asks every registry with TLS."""
        return self.model_copy(update={"plain": ()})


class Plumbing(Noun):
    """``packages``: versions by name, of those that gpufleet knows; ``held``: those of them that stay.

    ``engine``: its version; ``stale``: what changed after dockerd was started, and ``live``: what of ``cdi`` and
    ``nvidia`` it has loaded all the same, and the registries that it asks without TLS; ``daemon``: the text of
    daemon.json, None: there is none; ``flags``: what dockerd gets on its command line; ``digests``: sha256 of files
    that were asked for; ``foreign``: vendors' hosts by the file of package sources that names them, and ``ours``:
    such files that gpufleet wrote; ``half``: packages that an interrupted package manager left; ``socket``: Podman's
    is there, now and at every boot; ``kept_out``: what keeps a driver's module from loading, as FILE:LINE:TEXT.
    ``disabled``: docker.service does not start at boot, ``stopped``: it was not started.
    """

    packages: dict[str, str] = {}
    held: tuple[str, ...] = ()
    half: tuple[str, ...] = ()
    engine: str | None = None
    live: tuple[str, ...] = ()
    daemon: str | None = None
    flags: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    digests: dict[str, str] = {}
    foreign: dict[str, tuple[str, ...]] = {}
    ours: tuple[str, ...] = ()
    kept_out: tuple[str, ...] = ()
    snap: bool = False
    socket: bool = False
    disabled: bool = False
    stopped: bool = False
