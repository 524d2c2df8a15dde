"""Settings: what a user may write in an inventory or in group_data."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictBool, StringConstraints, Tag

from .base import TEXT_OR_NOUN, AbsolutePath, Http, MiB, Name, Noun, Port, like
from .distro import EngineName, Fingerprint, Vendor
from .model import Model
from .provision import Reboot
from .service import SecretName


def _url(text: str) -> str:
    parts = urlsplit(text)  # it raises ValueError for a wrong port or address, some of it only when asked
    if not parts.hostname or parts.port == 0:
        raise ValueError("must have a host, and a port that can be")
    return text


def _base_url(text: str) -> str:
    parts = urlsplit(_url(text))
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be scheme, host, port and path alone: no account, no `?`, no `#`")
    return text.rstrip("/")


def _window(text: str) -> str:
    first, _, last = text.partition("-")
    if first == last:
        raise ValueError("must end at another time than it begins")
    return text


NameOrModel = Annotated[Annotated[Name, Tag("<text>")] | Annotated[Model, Tag("<noun>")], TEXT_OR_NOUN]
Url = Annotated[Http, AfterValidator(_url)]
BaseUrl = Annotated[
    str, like(r"^https?://[^\s$`\\'\"]+$", "write it like http://127.0.0.1:11434"), AfterValidator(_base_url)
]
Times = Annotated[
    str,
    like(r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$", "write it like 22:00-05:00"),
    AfterValidator(_window),
]
Amount = Annotated[
    str,
    like(r"^([1-9][0-9]{0,2}|[1-9][0-9]?%|100%)$", "write a number, or a part of them like 25%"),
    Field(coerce_numbers_to_str=True),
]
Registry = Annotated[
    str,
    like(r"^(http://)?[a-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?$", "write it like registry.lan:5000, or http://cache:5000"),
]


class Mirrors(Noun):
    """Where to fetch from instead of the public places."""

    huggingface: Url = Field("https://huggingface.co", description="Hugging Face endpoint")
    github: Url = Field(
        "https://github.com", description="where OWNER/REPOSITORY/archive/COMMIT.tar.gz is, of images that are built"
    )
    pypi: Url | None = Field(
        None, description="index of Python packages, for images that are built and for the program that fetches models"
    )
    packages: Url | None = Field(
        None, description="vendors' package repositories: this URL, then their own without `https://`"
    )
    keys: dict[Vendor, Fingerprint] = Field(
        {},
        description="fingerprint of the key that signs a repository on your mirror, where it is not the vendor's",
    )
    ollama: Url = Field("https://registry.ollama.ai", description="the registry of Ollama's models")
    registry: Registry | None = Field(
        None,
        description="registry for images: this, then their own name with its registry; with `http://` before it, the "
        "engine is told that it has no TLS",
    )

    @property
    def plain(self) -> tuple[str, ...]:
        """The registry, where it is to be asked without TLS.

        >>> Mirrors(registry="http://cache:5000/all").plain, Mirrors(registry="mirror.lan:5000").plain
        (('cache:5000',), ())
        """
        scheme, _, rest = (self.registry or "").rpartition("://")
        return (rest.partition("/")[0],) if scheme else ()


FilePath = Annotated[str, like(r"^[^~\s]", "write a path, without a `~`: no shell reads it")]
SecretSource = Annotated[
    str, like(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\s].*)$", "write where it is: env:NAME or file:PATH")
]
PortName = Annotated[
    str, like(r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?$", "write it like 'litellm', or 'traefik/https'")
]


class Settings(Noun):
    """Every setting, with its default. Unknown keys are refused; keys that begin with ``x_`` are yours."""

    stack: str = Field("starter", description="a stack of the catalog, or the path of a stack file (*.yaml)")
    catalog: str | None = Field(
        None,
        description="your folder with services/, models/, stacks/, templates/, images/, searched before ours",
    )
    lock: FilePath = Field(
        "gpufleet.lock",
        description="the file that `gpufleet lock` writes, seen from where you run",
    )
    data_root: AbsolutePath = Field(
        "/srv/gpufleet", description="everything gpufleet keeps on a host is below this directory"
    )
    bind: IPv4Address = Field(IPv4Address("127.0.0.1"), description="address on which published ports listen")
    address: IPv4Address | None = Field(
        None,
        description="where the other hosts of a fleet reach this one, best a private address; none: that of its SSH",
    )
    operators: list[Name] = Field(
        [], description="accounts of the host that may use the engine without sudo; nobody is taken out"
    )
    engine: EngineName = Field("docker", description="the container engine; Podman is spoken to by Docker's CLI")
    install_engine: bool = Field(True, description="install the container engine where there is none")
    engine_from: Literal["distro", "docker"] = Field(
        "distro", description="whose packages: the distribution's, or Docker's own; an engine that is there is kept"
    )
    driver: Literal["adopt", "install", "ignore"] = Field(
        "adopt",
        description="the cards' driver: keep what is there, install where there is none, or do not check it",
    )
    driver_branch: int = Field(
        580, ge=535, le=999, description="the branch of NVIDIA's where one is installed, pinned and held"
    )
    reboot: Reboot = Field(
        "never", description="may reboot the host, once a run and after all packages, where a driver needs it"
    )
    reboot_window: Times | None = Field(
        None, description="hours in which a reboot may begin, by the host's own clock: 22:00-05:00"
    )
    install_toolkit: bool = Field(
        True, description="install the vendor's container toolkit where containers cannot reach a planned card"
    )
    toolkit_version: Annotated[str, like(r"^[0-9][0-9.]*-[0-9]+$", "write it like 1.20.0-1")] = Field(
        "1.20.0-1",
        description="exact version of NVIDIA's, held; what others installed is brought to it only where you set it",
    )
    amd_access: Literal["nodes", "cdi"] = Field(
        "nodes",
        description="how containers get AMD's cards: their device nodes, or CDI devices of AMD's container toolkit",
    )
    amd_toolkit_version: Annotated[str, like(r"^[0-9]+(\.[0-9]+)*$", "write it like 1.3.0")] = Field(
        "1.3.0", description="exact version of AMD's container toolkit, held"
    )
    restart_engine: bool = Field(
        False, description="may restart the engine although containers of others run that would stop"
    )
    services: dict[Name, StrictBool] = Field(
        {}, description="services of the stack to leave out (False), or optional ones to run (True), by service name"
    )
    tier: Name = Field(
        "auto",
        description="a tier of the stack; auto: the largest that fits the cards, or, in the role cpu, the smallest",
    )
    dual_gpu_mode: Name | None = Field(
        None, description="which of the stack's modes the role dual_gpu runs; none: the first of them"
    )
    cards: dict[Name, Annotated[str, StringConstraints(min_length=1), Field(coerce_numbers_to_str=True)]] = Field(
        {},
        description="card of a service, by service name: UUID, PCI address, or number, from 0 by PCI address",
    )
    models: dict[Name, NameOrModel] = Field(
        {},
        description="what a stack's model name stands for here: a model of the catalog, or a whole model entry",
    )
    accept: list[Name] = Field(
        [],
        examples=[["flux.1-dev"]],
        description="licences that you accept, by name: what needs another one that is not for every use is refused",
    )
    ports: dict[PortName, Port] = Field(
        {}, description="host port of a published service, by service name; of a further port by `service/port`"
    )
    external: dict[Name, BaseUrl] = Field(
        {},
        description="services of the stack that run already, by service name: the URL at which the host reaches each",
    )
    options: dict[Name, dict[str, Any]] = Field({}, description="options of a service, by service name")
    secrets: dict[SecretName, SecretSource] = Field(
        {},
        examples=["env:HF_TOKEN"],
        description="values that you have, by their names in the host's `.env`: `env:NAME`, a variable on the machine "
        "that you run from, or `file:PATH` there",
    )
    mirrors: Mirrors = Field(Mirrors(), description="mirrors to fetch from")
    reserve_vram_mib: MiB = Field(512, description="VRAM of each card that no service may plan with, MiB")
    reserve_ram_mib: MiB = Field(1024, description="host memory that no service may plan with, MiB")
    reserve_disk_mib: MiB = Field(2048, description="disk space that stays free below data_root, MiB")
    models_max_mib: MiB | None = Field(
        None, description="what the models below data_root may take in all, MiB; more is refused before it is fetched"
    )
    health_deadline: int = Field(
        300,
        ge=5,
        le=7200,
        description="seconds a service may take to become healthy, before model size is added",
    )
    max_unavailable: Amount = Field(
        "25%",
        examples=[1, "25%"],
        description="workers of a fleet that are brought to a new release at once; the first of them goes alone",
    )
    peer_port: Port | None = Field(
        7878,
        description="port at which hosts of one run give each other model files meanwhile; None: each fetches its own",
    )
    keep_releases: int = Field(5, ge=2, le=100, description="releases kept on a host for rollback")
