"""Service: a program in a container, as the catalog describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from ..errors import choose
from .base import Bytes, MiB, Name, Noun, Port, like
from .forms import FORMS, Takes
from .image import Build, Image
from .licence import AnyLicence

Accelerator = Literal["cuda", "rocm", "cpu"]
GfxTarget = Annotated[str, like(r"^gfx[0-9a-f]{3,4}$", "write it like gfx1100")]
SecretName = Annotated[str, like(r"^[A-Z][A-Z0-9_]*$", "write it like LITELLM_MASTER_KEY")]
Absolute = Annotated[str, like(r"^/", "begin it with `/`")]
OneLine = like(r"^[^\t\n]+$", "write it in one line, without tabs")


class Volume(Noun):
    """A directory below data_root, mounted into the container. ``uid``/``gid`` are the image's."""

    source: Annotated[
        str, like(r"^[a-z0-9][a-z0-9/_-]*$", "write a path below data_root, of small letters, digits, `/`, `_` and `-`")
    ]
    target: Absolute
    read_only: bool = False
    uid: int = Field(0, ge=0)
    gid: int = Field(0, ge=0)
    mode: Annotated[str, like(r"^0[0-7]{3}$", "write four octal digits in quotes: '0755'")] = "0755"


class HostPath(Noun):
    """A path of the host itself, such as /proc, mounted into the container."""

    source: Annotated[str, like(r"^/[\w./-]*$", "write an absolute path of letters, digits, `/`, `.`, `_` and `-`")]
    target: Absolute
    read_only: bool = True
    slave: bool = Field(False, description="what the host mounts below it later is seen, too")


class File(Noun):
    """A generated file: ``template`` rendered, mounted read-only at ``target``."""

    template: str
    target: Absolute
    keep: bool = Field(
        False,
        description="its user and the program write it, too: it lies in the volume that is mounted at its folder, and "
        "only the keys that the template has are set in it (.yaml, .yml, .json)",
    )
    live: bool = Field(
        False,
        description="its service reads it anew by itself: a changed one is replaced where it lies, and re-creates no "
        "container; no other file may lie in its folder",
    )


class Healthcheck(Noun):
    """Compose's healthcheck; times in seconds."""

    test: list[str] = Field(min_length=2)
    interval: int = Field(5, ge=1)
    timeout: int = Field(5, ge=1)
    retries: int = Field(3, ge=1)
    start_period: int = Field(10, ge=0)


class Gate(Noun):
    """What the published port must answer before a release counts as good."""

    path: Absolute
    status: int = Field(200, ge=100, le=599)


class Step(Noun):
    """What is done once in the running container, by its shell: ``run``, unless ``check`` says that it is complete.

    Both may use ``{{ ... }}``; with ``each: model`` they are for every model of the service that has ``pull``
    and that gpufleet does not fetch, as ``{{ model }}``: the first such step is what fetches it. With ``each: folder``
    they are for every model that is a folder: they make of it what the program looks for, by links.
    """

    name: Name
    check: str = Field(min_length=1, description="succeeds when nothing is left to do; asked at every run")
    run: str = Field(min_length=1, description="may be killed and begun again")
    each: Literal["model", "folder"] | None = None
    measure: str = Field("", description="prints how many KiB are there: so that it says how far it is")
    deadline: int = Field(3600, ge=1, description="seconds that `run` may take")


class OnCpu(Noun):
    """How to see that a program runs without the card that it was given: engines go on without a word.

    ``says``: extended regular expression of a line in its log, or of what ``command`` prints in the container, too.
    ``resident``: it holds its model as long as it runs, so one of its processes must be on a card.
    """

    says: Annotated[str, OneLine]
    command: Annotated[str, OneLine] | None = None
    resident: bool = False


class Secret(Noun):
    """A value of the host's .env. Made there once and kept, ``prefix`` and ``bytes`` random bytes in hex, or given."""

    name: SecretName
    given: str = Field("", description="where its user gets it: only they have it; empty: it is made")
    prefix: Annotated[str, like(r"^[A-Za-z0-9-]*$", "use letters, digits and `-`")] = ""
    bytes: int = Field(24, ge=12, le=64)


class Service(Noun):
    """One file ``services/NAME.yaml``. ``command`` and ``environment`` may use ``{{ ... }}``.

    ``{{ urls["NAME"] }}``: where containers reach a service of the stack; ``{{ loads["NAME"] }}``: its models on this
    host; ``{{ https }}``: what follows a host name behind the stack's Traefik, `:8443` or, at 443, nothing.
    """

    title: str
    licence: AnyLicence = Field(
        "", description="of the program: a text, or what has to be accepted: `{name: NAME, page: URL}`"
    )
    image: dict[Accelerator, Image] = {}
    build: dict[Accelerator, Build] = Field(
        {}, validate_default=True, description="images that no registry has: they are made on the host"
    )
    image_bytes: dict[Accelerator, Bytes] = Field(
        {}, description="what a host pulls of an image, or for a build: layers, compressed, for amd64; none: not known"
    )
    gpu: Literal["none", "preferred", "required"] = "none"
    gfx: list[GfxTarget] = Field([], description="compute targets compiled into the rocm image; none: not known")
    cuda: Annotated[str, like(r"^[0-9]+\.[0-9]+$", "write it in quotes, like '12.8'")] | None = Field(
        None, description="CUDA version of the cuda image"
    )
    models: Literal["none", "one", "many"] = Field(
        "none", description="one: it is started with it; many: it loads them by itself, and unloads some for others"
    )
    pulls: Literal["", "model", "repository", "commit", "word"] = Field(
        "", description="the form of the names by which it fetches models itself (`pull`); empty: any"
    )
    suffix: str = Field("", description="how the files of its models end, such as .gguf; empty: any way")
    library: Annotated[str, like(r"^([a-z0-9][a-z0-9/_-]*)?$", "write a path below the directory of models")] = Field(
        "",
        description="where it keeps models as Ollama does, below the directory of models: those that are locked, and "
        "files .gguf, are put there before it starts",
    )
    takes_all: bool = Field(False, description="takes all the memory it may have at its start (`memory.share`)")
    slots: Literal["share", "each", "pool"] = Field(
        "share",
        description="the slots of options/parallel share options/context (llama.cpp), or each has all of it (Ollama), "
        "or any number take from a pool (vLLM)",
    )
    overhead_mib: MiB = Field(
        0, description="what the program takes beside weights and KV cache, MiB of VRAM (or RAM on cpu)"
    )
    memory_mib: MiB = Field(512, description="host memory the program takes beside its model, MiB")
    on_cpu: OnCpu | None = Field(None, description="how to see that it runs without the card it was given")
    entrypoint: list[str] = Field([], description="instead of the image's own")
    command: list[str] = []
    environment: dict[str, str] = {}
    labels: dict[str, str] = {}
    user: Annotated[str, like(r"^\d+:\d+$", "write it in quotes, like '1000:1000'")] | None = Field(
        None, description="uid:gid inside the container; none: the image's"
    )
    port: Port
    tls: bool = Field(False, description="speaks HTTPS at its port")
    ports: dict[Name, Port] = Field({}, description="further ports, by names that a stack publishes them by")
    volumes: list[Volume] = []
    host_paths: list[HostPath] = []
    files: list[File] = []
    secrets: list[Secret] = []
    options: dict[str, Any] = {}
    takes: dict[str, Takes] = Field(
        {},
        description="what an option may be beside its default: a list of words, keys with what each takes (`*`: any "
        f"other), or a form: {', '.join(FORMS)}; of a list each entry",
    )
    healthcheck: Healthcheck | None = Field(
        None, description="none: the image cannot ask itself; what depends on it waits for its start alone"
    )
    gate: Gate | None = None
    steps: list[Step] = []
    shm_mib: MiB = 0
    stop_grace_period: int = Field(10, ge=0, description="seconds between SIGTERM and SIGKILL")
    no_new_privileges: bool = True
    capabilities: list[Annotated[str, like(r"^[A-Z][A-Z_]+$", "write it like SYS_ADMIN")]] = Field(
        [], description="Linux capabilities beside the engine's own, such as SYS_ADMIN"
    )
    host_network: bool = Field(False, description="listens on the host itself, at `{{ bind }}:{{ service.publish }}`")
    host_pid: bool = Field(False, description="sees the processes of the host")

    @property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """Those that there is an image for."""
        return (*self.image, *self.build)

    @field_validator("build")
    @classmethod
    def _some(cls, build: dict[Accelerator, Build], told: ValidationInfo) -> dict[Accelerator, Build]:
        image = told.data.get("image", {"cpu": ""})
        if not build and not image:
            raise ValueError("give an `image` or a `build`")
        if twice := build.keys() & image.keys():
            raise ValueError(f"{', '.join(sorted(twice))} has an `image`: give one of both")
        return build

    @field_validator("takes")
    @classmethod
    def _of_options(cls, takes: dict[str, Takes], told: ValidationInfo) -> dict[str, Takes]:
        known = told.data.get("options", {})
        if wrong := next((name for name in takes if name not in known), None):
            raise ValueError(f"there is no option '{wrong}': {choose(wrong, known)}")
        return takes

    @field_validator("files")
    @classmethod
    def _kept(cls, files: list[File], told: ValidationInfo) -> list[File]:
        for file in (f for f in files if f.keep):
            folder, _, name = file.target.rpartition("/")
            if not name.endswith((".yaml", ".yml", ".json")):
                raise ValueError(f"{file.target} can be kept if it ends in .yaml, .yml or .json")
            if folder not in (v.target for v in told.data.get("volumes", ())):
                raise ValueError(f"add a volume at {folder}: that is where {file.target} is kept")
        return files

    @field_validator("files")
    @classmethod
    def _live(cls, files: list[File], told: ValidationInfo) -> list[File]:
        """Their folder is mounted as a whole, so that a file which takes the place of another one is seen."""
        folders = {file.target.rpartition("/")[0] for file in files if file.live}
        for file in (f for f in files if f.live):
            if file.keep:
                raise ValueError(f"{file.target} is `keep`, which gpufleet does not write alone, or `live`: choose one")
            if len(folders) > 1 or "" in folders:
                raise ValueError(f"put {file.target} into one folder with all that is `live`, below another folder")
        others = [*told.data.get("volumes", ()), *told.data.get("host_paths", ()), *(f for f in files if not f.live)]
        for target in (other.target for other in others):
            if any(f"{target}/".startswith(f"{folder}/") for folder in folders):
                raise ValueError(f"move {target}: where files are `live`, nothing else can be mounted")
        return files
