"""The nouns: frozen pydantic models that refuse unknown keys."""

from .base import Noun, read
from .bundle import Bundle, BundledImage
from .distro import Distro, DriverFamily, Repository
from .download import Download
from .finding import Finding, FindingKind
from .fleet import Fleet, Member, Share, Shared
from .forecast import Change, ContainerChange, Fetch, Forecast, HostForecast, PlacedService
from .gpu import Gpu, GpuProblem, Gpus, Link, MigDevice
from .health import Health
from .host import Container, Disk, Engine, Entry, HostFacts, HostState, KeptFile, Listener, System
from .image import Build, Made, PlannedBuild, Pull
from .ledger import Ledger, Line, Turns
from .licence import Licence
from .lock import Lock, LockedModel, LockedPull
from .model import Architecture, Model, Piece, Shape
from .plan import (
    Access,
    Directory,
    External,
    Mount,
    Output,
    Plan,
    PlannedService,
    PlannedStep,
)
from .provision import Plumbing, Provision, Source
from .remains import Remains
from .report import HostReport, Operation, Report
from .service import (
    Accelerator,
    File,
    Gate,
    Healthcheck,
    HostPath,
    Secret,
    Service,
    Step,
    Volume,
)
from .settings import Mirrors, Settings
from .stack import Mode, Stack, StackService, Tier
from .stock import Held, HostStock, ModelStore, Stock

__all__ = [
    "Accelerator",
    "Access",
    "Architecture",
    "Build",
    "Bundle",
    "BundledImage",
    "Change",
    "Container",
    "ContainerChange",
    "Directory",
    "Disk",
    "Distro",
    "Download",
    "DriverFamily",
    "Engine",
    "Entry",
    "External",
    "Fetch",
    "File",
    "Finding",
    "FindingKind",
    "Fleet",
    "Forecast",
    "Gate",
    "Gpu",
    "GpuProblem",
    "Gpus",
    "Health",
    "Healthcheck",
    "Held",
    "HostFacts",
    "HostForecast",
    "HostPath",
    "HostReport",
    "HostState",
    "HostStock",
    "KeptFile",
    "Ledger",
    "Licence",
    "Line",
    "Link",
    "Listener",
    "Lock",
    "LockedModel",
    "LockedPull",
    "Made",
    "Member",
    "MigDevice",
    "Mirrors",
    "Mode",
    "Model",
    "ModelStore",
    "Mount",
    "Noun",
    "Operation",
    "Output",
    "Piece",
    "PlacedService",
    "Plan",
    "PlannedBuild",
    "PlannedService",
    "PlannedStep",
    "Plumbing",
    "Provision",
    "Pull",
    "Remains",
    "Report",
    "Repository",
    "Secret",
    "Service",
    "Settings",
    "Shape",
    "Share",
    "Shared",
    "Source",
    "Stack",
    "StackService",
    "Step",
    "Stock",
    "System",
    "Tier",
    "Turns",
    "Volume",
    "read",
]
