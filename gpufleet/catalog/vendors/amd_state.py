"""AMD: what the sources say of a card, as the card: whether it can be used, why, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from ...schema.gpu import Gpu, GpuProblem, ProblemCode
from .amd_told import Told
from .pci import normal
from .tools import Answer

HOLDERS = ("vfio-pci", "pci-stub", "xen-pciback")
STOPPED = (124, 137, 143)
_DENIED = re.compile(
    "Unable to open /dev/kfd read-write: (?:Permission denied|Operation not permitted|Invalid argument)"
)
_OPENED = re.compile("Pool [0-9]|Agent [0-9]")
_REFUSED = re.compile(".*(?:not supported in kfd|PCI rejects atomics).*")
_UNLOADED = re.compile("[Dd]river not initialized|not found in modules|NOT_INIT|DRIVER_NOT_LOADED")


@dataclass(frozen=True)
class Host:
    """What holds for all cards.

    ``opened``: this user may use /dev/kfd, ``denied``: may not; ``refused``: the kernel's word that its compute driver
    takes a card it has no node for; ``bound``: the kernel itself told of cards that amdgpu holds; ``unread``: why a
    tool's answer is of no use; ``unloaded``: its word that there is no driver.
    """

    opened: bool = False
    denied: bool = False
    refused: str | None = None
    bound: bool = False
    unread: str | None = None
    unloaded: str | None = None
    rocm: str | None = None
    driver: str | None = None


@dataclass(frozen=True)
class State:
    """Whether a card can be used, one sentence on why, and the problem's code."""

    usable: bool | None
    why: str
    code: ProblemCode | None = None
    evidence: str | None = None

    def problems(self, gpu: Gpu) -> list[GpuProblem]:
        return [GpuProblem(code=self.code, card=gpu.identity, evidence=self.evidence or self.why)] if self.code else []


def opening(lines: list[str], said: Answer) -> tuple[bool, bool]:
    """Whether this user may use /dev/kfd, and whether not: by its permissions, and by what the runtime says."""
    words = f"{said.text}\n{said.complaint}"
    denied = "devkfd no" in lines or bool(_DENIED.search(words))
    return not denied and ("devkfd rw" in lines or bool(_OPENED.search(words))), denied


def refused(log: str) -> str | None:
    """The kernel's line about a card that its compute driver does not take."""
    found = _REFUSED.search(log)
    return found.group().strip() if found else None


def unloaded(words: str) -> str | None:
    """A tool's word that the driver is not there."""
    found = _UNLOADED.search(words)
    return found.group() if found else None


def state(told: Told, host: Host) -> State:
    """The first that holds: held by another driver, refused, without a driver, not let in, answering."""
    if told.driver in HOLDERS:
        return State(False, f"held by {told.driver} for a virtual machine", "bound-vfio")
    if host.refused and told.node is None:
        why = "the kernel's compute driver does not support it"
        return State(False, why, "gpu-unsupported", host.refused)
    if told.driver is None and told.bound is False:
        return State(False, "no kernel driver is bound to it", "no-driver-bound")
    if host.denied:
        return State(False, "/dev/kfd cannot be opened by this user")
    if told.driver is None:
        return State(None, "only listed on the bus")
    if told.answered:
        return State(True, f"{told.answered} answers for it")
    if host.opened and (told.node is not None or told.address is None):
        return State(True, "the kernel's compute driver has it, and this user may open it")
    return State(None, f"driver {told.driver} is bound; nothing says whether its compute side opens")


def card(told: Told, judged: State, host: Host) -> Gpu:
    """The card itself."""
    memory, screen = memory_kind(told), _is(told, "screens", "screen_targets")
    unified = memory == "unified"
    counts: dict[bool | None, Literal["yes", "no", "uma"] | None]
    counts = {True: "uma" if unified else "yes", False: "no", None: "uma" if unified else None}
    driver = told.driver or ("amdgpu" if host.refused and told.bound is None else None)
    return Gpu(
        vendor="amd",
        index=told.index,
        name=told.product or told.name,
        pci_address=normal(told.address) if told.address else None,
        pci_id=told.pci_id,
        uuid=told.uuid,
        kind="apu" if unified else "dgpu",
        memory_kind=memory,
        vram_total_mib=told.total,
        vram_free_mib=told.free,
        vram_source="driver" if told.total is not None else None,
        gtt_total_mib=told.gtt,
        kernel_driver=driver,
        driver_version=host.driver if driver == "amdgpu" else None,
        rocm_version=host.rocm,
        gfx_target=told.gfx,
        render_node=told.render_node,
        card_node=told.card_node,
        kfd_node=told.node,
        numa_node=told.numa,
        usable=None if screen and judged.usable else judged.usable,
        counts="no" if screen else counts[judged.usable],
        why=judged.why,
    )


def memory_kind(told: Told) -> Literal["unified", "dedicated"] | None:
    """Whose memory it is: by the tables, by what /sys has for cards only, by a tool that names the card's memory."""
    if _is(told, "apus", "apu_targets") or _is(told, "screens", "screen_targets"):
        return "unified"
    if told.own_memory or _is(told, "cards", "card_targets"):
        return "dedicated"
    if told.own_memory is False and _borrows(told.total or 0, told.gtt or 0):
        return "unified"
    return "dedicated" if told.total is not None or (told.name and told.answered in ("rocm-smi", "amd-smi")) else None


def _borrows(total: int, gtt: int) -> bool:
    """Whether sizes allow for a processor where /sys names neither a maker of memory nor a board.

    Kernels that were too old to name them gave a card as much GTT as it has memory, and 3 GiB at least; no card of
    their time had more than 48 GiB.
    """
    return gtt > max(3072, total) or total > 48 * 1024


@cache
def _chips() -> dict[str, frozenset[str]]:
    """PCI ids, and targets, by what they are."""
    told = yaml.safe_load((Path(__file__).parent / "amd_chips.yaml").read_text(encoding="utf-8"))
    return {what: frozenset(ids.split() if isinstance(ids, str) else ids) for what, ids in told.items()}


def _is(told: Told, ids: str, targets: str) -> bool:
    chips = _chips()
    return (told.pci_id or "")[5:] in chips[ids] or told.gfx in chips[targets]


def host_problems(host: Host, cards: int) -> Iterator[GpuProblem]:
    """What is wrong with the driver, the user's rights or a tool."""
    if cards and host.denied:
        yield GpuProblem(code="no-permission-kfd", evidence="this user may not open /dev/kfd for reading and writing")
    if host.unloaded:
        yield GpuProblem(code="tool-false-negative" if host.bound else "driver-not-loaded", evidence=host.unloaded)
    if host.unread:
        yield GpuProblem(code="tool-output-unreadable", evidence=host.unread)
