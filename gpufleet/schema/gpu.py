"""What the probe says of graphics cards."""

from __future__ import annotations

from typing import Literal

from .base import Noun

ProblemCode = Literal[
    "no-driver-bound",
    "driver-not-loaded",
    "driver-mismatch",
    "bound-nouveau",
    "bound-vfio",
    "no-devices-found",
    "gpu-lost",
    "gpu-degraded",
    "gpu-unsupported",
    "nvml-library-missing",
    "container-lost-gpu",
    "no-cuda-driver",
    "cuda-library-broken",
    "memory-not-reported",
    "mig-no-instances",
    "no-permission-kfd",
    "tool-false-negative",
    "tool-output-unreadable",
]


class GpuProblem(Noun):
    """Something wrong with a card, or with the host's GPU software (``card`` None). ``evidence``: what was read."""

    code: ProblemCode
    card: str | None = None
    evidence: str = ""


class MigDevice(Noun):
    """An instance of a partitioned NVIDIA card: GPU instance ``gi``, compute instance ``ci`` of it; memory in MiB."""

    index: int | None = None
    gi: int | None = None
    ci: int | None = None
    profile: str | None = None
    uuid: str | None = None
    vram_total_mib: int | None = None


class Gpu(Noun):
    """One card, or one partition of an AMD card. None everywhere: no source says.

    ``pci_address`` is ``dddd:bb:dd.f`` in lower case, ``pci_id`` ``vvvv:dddd``; memory in MiB. ``index`` is how the
    vendor's tool counts, for showing only. ``usable``: a driver is bound and the card answers; ``counts``: made for
    inference (``uma``: with the host's memory as its own); ``why`` says what both rest on. ``vram_source``: ``table``
    is a product's size by PCI id, before a driver tells the real one.
    """

    vendor: Literal["nvidia", "amd", "intel"]
    index: int | None = None
    name: str | None = None
    pci_address: str | None = None
    pci_id: str | None = None
    uuid: str | None = None
    kind: Literal["dgpu", "apu", "igpu", "soc", "vgpu"] | None = None
    memory_kind: Literal["dedicated", "unified"] | None = None
    vram_total_mib: int | None = None
    vram_free_mib: int | None = None
    vram_source: Literal["driver", "table"] | None = None
    gtt_total_mib: int | None = None
    kernel_driver: str | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    rocm_version: str | None = None
    gfx_target: str | None = None
    mig_mode: str | None = None
    mig_devices: tuple[MigDevice, ...] | None = None
    minor: int | None = None
    render_node: str | None = None
    card_node: str | None = None
    kfd_node: int | None = None
    numa_node: int | None = None
    virtual: Literal["vgpu"] | None = None
    usable: bool | None = None
    counts: Literal["yes", "no", "uma"] | None = None
    why: str = ""

    @property
    def identity(self) -> str | None:
        """What to pin by: an index may change at the next boot, these do not. None: it can only be shown.

        Intel's tool makes a UUID of the slot and the device id, so there the address is the honester name.
        """
        return self.pci_address if self.vendor == "intel" else self.uuid or self.pci_address


class Link(Noun):
    """How two cards, by PCI address, reach each other.

    ``path`` is what the source says of it: ``NV18`` (18 lanes of NVLink), ``PIX`` (one PCIe switch), ``SYS`` (across
    processors).
    """

    cards: tuple[str, str]
    kind: Literal["nvlink", "xgmi", "pcie"]
    path: str = ""


class Gpus(Noun):
    """All cards of a host, by PCI address, how they are linked, what is wrong with them. Versions are the host's."""

    cards: tuple[Gpu, ...] = ()
    links: tuple[Link, ...] = ()
    problems: tuple[GpuProblem, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None
    rocm_version: str | None = None
