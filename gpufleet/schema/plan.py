"""Plan: what one host will run, where, and why. A value: comparable, printable, explained."""

from __future__ import annotations

from typing import Any, Literal

from .base import Noun
from .download import Download
from .finding import Finding
from .fleet import Fleet
from .image import PlannedBuild, Pull
from .ledger import Ledger
from .provision import Provision
from .service import Accelerator, Gate, Healthcheck, Secret


class Mount(Noun):
    """A bind mount; ``source`` is absolute on the host."""

    source: str
    target: str
    read_only: bool
    slave: bool = False


class PlannedStep(Noun):
    """What is done once in the running container of ``service``: by its shell, ``run``, unless ``check`` succeeds.

    ``model``: what it fetches, by its program's name, and how many ``bytes`` that is.
    """

    service: str
    name: str
    check: str
    run: str
    measure: str = ""
    deadline: int
    model: str | None = None
    bytes: int = 0

    @property
    def id(self) -> str:
        return f"{self.service}/{self.name}"


class Directory(Noun):
    """A directory that must be there with this owner and mode. ``keep``: one that is there already is left as it is."""

    path: str
    uid: int
    gid: int
    mode: str
    keep: bool = False


class Output(Noun):
    """A generated file: ``template`` rendered to ``path`` below the release, mounted by ``service`` at ``target``.

    ``keep``: the file on the host that its keys are set in instead, absolute. ``live``: what is mounted is its folder
    below that of live files, where it is replaced.
    """

    service: str
    template: str
    path: str
    target: str
    keep: str | None = None
    live: bool = False


class Access(Noun):
    """The way of a container to its cards. ``nodes`` are what it must see of cards' own device nodes, and no other's.

    ``driver`` and ``device_ids``: the engine hands the cards over (``cdi``, or ``nvidia``: the vendor's runtime hook);
    ``devices``: they are named to it, as CDI devices or plain nodes. ``groups``: numeric, of the host's nodes: a name
    would be looked up in the image.
    """

    driver: Literal["cdi", "nvidia"] | None = None
    device_ids: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    environment: dict[str, str] = {}
    nodes: tuple[str, ...] = ()


class PlannedService(Noun):
    """A service, resolved for this host. ``unloads``: by model on demand the residents that go for it.

    ``url``: where the stack's containers reach it; ``publish_more``: the further ports of the container by host port,
    of all its ``ports``. ``files``: model files that it loads, absolute on the host; ``pulled_bytes``: of the models
    that it fetches by itself.
    """

    name: str
    kind: str
    model: str | None = None
    model_digest: str | None = None
    models: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    pulled: dict[str, str] = {}
    pulled_bytes: int = 0
    unloads: dict[str, tuple[str, ...]] = {}
    image: str
    accelerator: Accelerator
    devices: tuple[str, ...] = ()
    access: Access = Access()
    reason: str
    user: str | None = None
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    labels: dict[str, str] = {}
    options: dict[str, Any] = {}
    mounts: tuple[Mount, ...] = ()
    port: int
    ports: dict[str, int] = {}
    tls: bool = False
    url: str
    publish: int | None = None
    publish_more: dict[int, int] = {}
    depends_on: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None
    gate: Gate | None = None
    memory_mib: int
    shm_mib: int = 0
    stop_grace_period: int = 10
    no_new_privileges: bool = True
    capabilities: tuple[str, ...] = ()
    host_network: bool = False
    host_pid: bool = False
    steps: tuple[PlannedStep, ...] = ()

    def asks_for(self, secret: str) -> bool:
        """Whether its environment has this secret's value in it."""
        return any(f"${{{secret}:?}}" in value for value in self.environment.values())


class External(Noun):
    """A service of the stack that runs already, and is left as it is. ``at``: its URL, as the host asks it.

    ``url``: the same for containers; ``asks``: what its gate asks; ``needed_by``: services that depend on it.
    """

    name: str
    kind: str
    model: str | None = None
    pulled: dict[str, str] = {}
    at: str
    url: str
    asks: str
    status: int
    needed_by: tuple[str, ...] = ()


class Plan(Noun):
    """What ``plan()`` says of one host; ``address`` is where others reach it, ``catalog`` the user's own folder.

    ``left_out``: by service of the stack that would not run here why not; ``fetcher``: what fetches the ``downloads``;
    ``hub``: the Hub's endpoint, ``hub_cache``: a mirror of it that is asked before, and need not answer;
    ``bundle``: where what `gpufleet bundle` wrote is asked for before both;
    ``peer_port``: where other hosts of a run get model files.
    """

    host: str
    address: str
    role: str
    stack: str
    catalog: str | None = None
    tier: str | None = None
    root: str
    bind: str
    selinux: bool = False
    operators: tuple[str, ...] = ()
    provision: Provision = Provision()
    services: tuple[PlannedService, ...] = ()
    externals: tuple[External, ...] = ()
    fleet: Fleet = Fleet()
    ledgers: tuple[Ledger, ...] = ()
    directories: tuple[Directory, ...] = ()
    downloads: tuple[Download, ...] = ()
    pulls: tuple[Pull, ...] = ()
    builds: tuple[PlannedBuild, ...] = ()
    fetcher: PlannedBuild | None = None
    outputs: tuple[Output, ...] = ()
    secrets: tuple[Secret, ...] = ()
    given: tuple[str, ...] = ()
    hub: str = ""
    hub_cache: str = ""
    bundle: str = ""
    reserve_disk_mib: int = 0
    peer_port: int | None = None
    health_deadline: int
    keep_releases: int
    left_out: dict[str, str] = {}
    findings: tuple[Finding, ...] = ()

    @property
    def blocked(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "blocks")

    @property
    def unclear(self) -> tuple[Finding, ...]:
        """What stops this host, and leaves open what it will run: where there is no room alone, that is known."""
        return tuple(f for f in self.blocked if f.id not in ("HOST-DISK", "HOST-QUOTA"))

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        """Those of all services."""
        return tuple(step for s in self.services for step in s.steps)

    @property
    def models_dir(self) -> str:
        return f"{self.root}/models"

    def below_models(self, path: str) -> str:
        """A path in the directory of models, seen from there."""
        return path.removeprefix(f"{self.models_dir}/")

    @property
    def live(self) -> tuple[str, ...]:
        """Paths of live files, below the release and below the directory of live files."""
        return tuple(o.path for o in self.outputs if o.live)

    @property
    def env(self) -> str:
        """The file of secrets."""
        return f"{self.root}/.env"

    @property
    def urls(self) -> tuple[tuple[str, str], ...]:
        """(service, URL) of what is published."""
        address = self.address if self.bind == "0.0.0.0" else self.bind
        shown = (s for s in self.services if s.publish)
        return tuple((s.name, f"http{'s' * s.tls}://{address}:{s.publish}") for s in shown)
