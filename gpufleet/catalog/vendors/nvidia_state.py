"""What the sources say of a card, as the card: whether it can be used, why, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ...schema.gpu import Gpu, GpuProblem, ProblemCode
from .nvidia_faults import Log
from .nvidia_told import Told
from .pci import PciCard

HOLDERS: dict[str, ProblemCode] = {
    "vfio-pci": "bound-vfio",
    "pci-stub": "bound-vfio",
    "xen-pciback": "bound-vfio",
    "nouveau": "bound-nouveau",
    "nova": "bound-nouveau",
    "nova-core": "bound-nouveau",
    "nova_core": "bound-nouveau",
    "NovaCore": "bound-nouveau",
}
# Graphics inside the chipsets that NVIDIA made until 2010, by the ranges that their products have.
_CHIPSET = re.compile(r"10de:(01a0|01f0|024.|03d.|053.|07e.|08[4-7ab].)")
# A vGPU is named after its share of the board: its size in GB, a letter for the licence, a digit for a revision.
_PROFILE = re.compile(r"-\d+[ABCQ](?:ME|GFX)?\d*$|^GRID K\d+Q$")
# The driver of NVIDIA's older systems on a chip says its own name in place of a vendor's; newer ones have the usual
# driver and a place on the bus. GH200 and GB200 are none: their graphics part has memory of its own.
_NVGPU = "(nvgpu)"
_CHIP = re.compile(r"\(nvgpu\)|\b(?:GB10|N1X|Thor|Orin|Xavier)\b")
_CHIP_IDS = ("10de:2e12", "10de:2b00")


@dataclass(frozen=True)
class Host:
    """What holds for all cards.

    ``module`` is the loaded driver's version, ``on_disk`` one that could be; ``doubt``: lost cards that are among those
    whose address is not known; ``silent``: the tool hung; ``unread``: its first words, for when none of them was known.
    """

    complaint: tuple[ProblemCode, str] | None = None
    module: str | None = None
    on_disk: str | None = None
    windows: bool = False
    nodes: tuple[str, ...] = ()
    answered: bool = False
    doubt: tuple[Told, ...] = ()
    silent: bool = False
    unread: str | None = None


@dataclass(frozen=True)
class State:
    """Whether a card can be used, one sentence on why, and each problem's code with its evidence."""

    usable: bool | None
    why: str
    wrong: tuple[tuple[ProblemCode, str], ...] = ()

    def problems(self, gpu: Gpu) -> list[GpuProblem]:
        return [GpuProblem(code=code, card=gpu.identity, evidence=evidence) for code, evidence in self.wrong]


def state(told: Told, bus: PciCard | None, log: Log | None, host: Host) -> State:
    """The first that holds: held by another driver, lost, answering, not answering."""
    if bus and bus.driver in HOLDERS:
        why = f"held by {bus.driver}"
        return State(False, why, ((HOLDERS[bus.driver], why),))
    lost = told.lost or (not told.answered and (told.dead or (log.lost if log else None)))
    if lost:
        more: tuple[tuple[ProblemCode, str], ...] = (
            (("gpu-unsupported", log.unsupported),) if log and log.unsupported else ()
        )
        return State(False, lost, (*more, ("gpu-lost", lost)))
    return _answering(told, host) if told.answered else _silent(bus, log, host)


def _answering(told: Told, host: Host) -> State:
    wrong: list[tuple[ProblemCode, str]] = []
    if told.degraded:
        wrong.append(("gpu-degraded", told.degraded))
    if _unified(told) and told.withheld:
        wrong.append(("memory-not-reported", "nvidia-smi reports no memory: the card uses the host's"))
    if told.cuda_fault == "no-cuda-driver":
        return State(False, "nvidia-smi answers, but the driver has no CUDA", tuple(wrong))
    if told.mig_mode == "Enabled" and told.migs == ():
        why = "MIG is enabled and there are no instances"
        return State(False, why, (*wrong, ("mig-no-instances", why)))
    if told.cuda_fault:
        return State(None, "nvidia-smi answers, but the CUDA library does not", tuple(wrong))
    if host.doubt and told.address is None:
        return State(None, "one of these cards is lost, and nvidia-smi does not say which", tuple(wrong))
    return State(True, "; ".join(["nvidia-smi answers", *([told.degraded] if told.degraded else [])]), tuple(wrong))


def _silent(bus: PciCard | None, log: Log | None, host: Host) -> State:
    """Of a card that the tool says nothing of."""
    if log and log.unsupported:
        return State(False, log.unsupported, (("gpu-unsupported", log.unsupported),))
    if bus and bus.bound is False:
        return _unbound(host)
    if host.complaint:
        return State(False, (log and log.failed) or host.complaint[1])
    if log and log.failed:
        return State(False, log.failed, (("no-devices-found", log.failed),))
    if host.answered:
        return State(False, "nvidia-smi does not list it")
    driver = bus.driver if bus else "nvidia" if host.module else None
    return State(None, f"driver {driver} is bound" if driver else "only listed on the bus")


def _unbound(host: Host) -> State:
    told = host.complaint[1] if host.complaint and host.complaint[0] == "driver-not-loaded" else None
    if told:
        return State(False, f"no driver is bound; {told}")
    if host.on_disk and not host.module:
        why = f"no driver is bound; module {host.on_disk} is installed and not loaded"
        return State(False, why, (("driver-not-loaded", why),))
    return State(False, "no driver is bound", (("no-driver-bound", "no driver is bound"),))


def host_problems(host: Host, told: list[Told], held: bool, log: Log | None) -> Iterator[GpuProblem]:
    """What is wrong with the tool or the driver. ``held``: all cards are other drivers', so the tool has to fail."""
    if host.complaint and not host.answered and not (held and host.complaint[0] in _HELD_AWAY):
        code, words = host.complaint
        also = [f"loaded module {host.module}"] if host.module else []
        also += [f"device nodes {' '.join(host.nodes) or 'none'}"] if code == "container-lost-gpu" else []
        yield GpuProblem(code=code, evidence="; ".join([words, *also]))
    elif not host.answered and not any(t.lost for t in told):
        if host.silent:
            yield GpuProblem(code="tool-output-unreadable", evidence="nvidia-smi did not answer in time")
        elif host.unread and not host.complaint:
            yield GpuProblem(code="tool-output-unreadable", evidence=f"nvidia-smi: {host.unread.strip()[:200]}")
    for fault, evidence in _FAULTS.items():
        if any(t.cuda_fault == fault for t in told):
            yield GpuProblem(code=fault, evidence=evidence)
    for t in host.doubt:
        yield GpuProblem(code="gpu-lost", card=t.address, evidence=t.lost or "")
    if log and log.unsupported and not host.answered:
        yield GpuProblem(code="gpu-unsupported", evidence=log.unsupported)


_HELD_AWAY = ("driver-not-loaded", "no-devices-found")
_FAULTS: dict[ProblemCode, str] = {
    "no-cuda-driver": "nvidia-smi has no CUDA version: libcuda is missing, or the driver is a vGPU host's",
    "cuda-library-broken": "nvidia-smi could not load libcuda",
}


def card(told: Told, bus: PciCard | None, log: Log | None, judged: State, host: Host) -> Gpu:
    """The card itself. What only the driver can know stays None without one."""
    id_ = told.pci_id or (bus.id if bus else None) or None
    called = told.name or (bus.name if bus else None)
    kind = _kind(told, id_, called or "")
    return Gpu(
        vendor="nvidia",
        index=told.index,
        name=called,
        pci_address=told.address,
        pci_id=id_,
        uuid=told.uuid,
        kind=kind,
        memory_kind="unified" if kind == "soc" else "dedicated" if told.total else None,
        vram_total_mib=told.total,
        vram_free_mib=told.free,
        vram_source="driver" if told.total is not None else None,
        kernel_driver=_driver(told, bus, log, host),
        driver_version=told.driver or (host.module if bus and bus.driver == "nvidia" else None),
        cuda_version=told.cuda,
        mig_mode=told.mig_mode,
        mig_devices=told.migs if told.mig_mode != "Disabled" else (),
        minor=told.minor,
        render_node=bus.render_node if bus else None,
        card_node=bus.card_node if bus else None,
        numa_node=bus.numa_node if bus else None,
        virtual="vgpu" if kind == "vgpu" else None,
        usable=judged.usable,
        counts="no" if kind == "igpu" else {True: "yes", False: "no", None: None}[judged.usable],
        why=judged.why,
    )


def _kind(told: Told, id_: str | None, called: str) -> Literal["dgpu", "igpu", "soc", "vgpu"]:
    if told.virtual or _PROFILE.search(called):
        return "vgpu"
    if id_ in _CHIP_IDS or _CHIP.search(called) or _unified(told):
        return "soc"
    return "igpu" if id_ and _CHIPSET.fullmatch(id_) else "dgpu"


def _unified(told: Told) -> bool:
    """Whether the card, answering otherwise, has no memory of its own. Instances or a vGPU may only hide it."""
    hidden = told.mig_mode == "Enabled" or told.virtual or _PROFILE.search(told.name or "") or told.lost
    return told.total is None and not hidden and bool(told.withheld)


def _driver(told: Told, bus: PciCard | None, log: Log | None, host: Host) -> str | None:
    """The driver of the link; else the one that must be there for the tool, or the kernel's log, to know the card."""
    if bus and (bus.driver or bus.bound is False):
        return bus.driver
    if told.windows or host.windows or _NVGPU in (told.name or ""):
        return None
    known = told.answered or told.lost or told.dead or (log and (log.failed or log.lost))
    return "nvidia" if known else None
