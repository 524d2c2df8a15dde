"""The nouns: frozen pydantic models that refuse unknown keys."""

from .base import Noun, read
from .distro import Distro, DriverFamily, Repository
from .finding import Finding, FindingKind
from .forecast import Change, ContainerChange, Fetch, Forecast, HostForecast, PlacedService
from .gpu import Gpu, GpuProblem, Gpus, Link, MigDevice
from .health import Health
from .host import Container, Disk, Engine, Entry, HostFacts, HostState, Listener, System
from .model import Architecture, Model, Shape
from .plan import Access, Directory, Download, Ledger, Line, Mount, Output, Plan, PlannedService, PlannedStep, Turns
from .provision import Plumbing, Provision, Source
from .service import (
    Accelerator,
    File,
    Gate,
    Healthcheck,
    HostPath,
    Mode,
    Secret,
    Service,
    Stack,
    StackService,
    Step,
    Tier,
    Volume,
)
from .settings import Mirrors, Settings

__all__ = [
    "Accelerator",
    "Access",
    "Architecture",
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
    "Fetch",
    "File",
    "Finding",
    "FindingKind",
    "Forecast",
    "Gate",
    "Gpu",
    "GpuProblem",
    "Gpus",
    "Health",
    "Healthcheck",
    "HostFacts",
    "HostForecast",
    "HostPath",
    "HostState",
    "Ledger",
    "Line",
    "Link",
    "Listener",
    "MigDevice",
    "Mirrors",
    "Mode",
    "Model",
    "Mount",
    "Noun",
    "Output",
    "PlacedService",
    "Plan",
    "PlannedService",
    "PlannedStep",
    "Plumbing",
    "Provision",
    "Repository",
    "Secret",
    "Service",
    "Settings",
    "Shape",
    "Source",
    "Stack",
    "StackService",
    "Step",
    "System",
    "Tier",
    "Turns",
    "Volume",
    "read",
]
