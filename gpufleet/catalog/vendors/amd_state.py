"""AMD: what can be used of what was seen, and what is wrong with the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...schema.gpu import Gpu, GpuProblem
from . import rocm_tools
from .rocm_tools import Told
from .tools import answer

HELD = ("vfio-pci", "pci-stub", "xen-pciback")
# Processors with graphics, by PCI id: their memory is the host's. The small ones (two compute units) drive a screen.
APUS = frozenset(
    (
        "1586",
        "150e",
        "1114",
        "15bf",
        "15c8",
        "1900",
        "1901",
        "1681",
        "1638",
        "1636",
        "13fe",
        "15d8",
        "15dd",
        "15e7",
        "1435",
        "163f",
        "164c",
        "1506",
        "74a0",
    )
)
SCREENS = frozenset(("164e", "13c0", "164d", "15c9", "1714"))


def judge(lines: list[str], cards: list[Told], said: str, log: str) -> None:
    """Whether each card can be used, and why."""
    opened = "devkfd rw" in lines or bool(re.search(r"Pool [0-9]|Agent [0-9]", said))
    for card in cards:
        if card.get("told") in ("rocm-smi", "amd-smi", "rocminfo", "half"):
            card.setdefault("kernel_driver", "amdgpu")
            card["kernel_driver"] = card["kernel_driver"] or "amdgpu"
        unsupported = "not supported in kfd" in log
        if unsupported and card.get("bound") is None:
            card["kernel_driver"] = card.get("kernel_driver") or "amdgpu"
        card["usable"], card["why"] = _usable(lines, card, said, unsupported, opened)


def _usable(lines: list[str], card: Told, said: str, unsupported: bool, opened: bool) -> tuple[bool | None, str]:
    driver = card.get("kernel_driver")
    if driver in HELD:
        return False, f"held by {driver} for a virtual machine"
    if unsupported and not card.get("kfd_node"):
        return False, "the kernel's compute driver does not support it"
    if _denied(lines, said):
        return False, "/dev/kfd cannot be opened by this user"
    if driver is None:
        return (False, "no kernel driver is bound to it") if card.get("bound") is False else (None, "only listed")
    if card.get("heard") or card.get("told") in ("rocm-smi", "amd-smi", "rocminfo"):
        return True, f"{card.get('heard') or card.get('told')} answers for it"
    if opened and (card.get("kfd_node") is not None or not card.get("pci_address")):
        return True, "the kernel's compute driver has it, and this user may open it"
    return None, f"driver {driver} is bound; nothing says whether its compute side opens"


def _denied(lines: list[str], said: str) -> bool:
    return "devkfd no" in lines or bool(re.search(r"Unable to open /dev/kfd read-write: Permission denied", said))


def card(told: Told, driver: str | None, rocm: str | None) -> Gpu:
    chip = (told.get("pci_id") or "")[5:]
    apu = chip in APUS or chip in SCREENS or _shares(told)
    usable = None if chip in SCREENS and told["usable"] else told["usable"]
    known = told.get("vram_total_mib") is not None or (told.get("name") and told.get("told") in ("rocm-smi", "amd-smi"))
    counts = {True: "uma" if apu else "yes", False: "no", None: "uma" if apu else None}[usable]
    plain = {k: told.get(k) for k in Gpu.model_fields if k not in ("usable", "kind", "why", "vendor")}
    return Gpu(**{
        **plain, "vendor": "amd", "kind": "apu" if apu else "dgpu", "usable": usable, "why": told["why"],
        "memory_kind": "unified" if apu else "dedicated" if known else None,
        "vram_source": "driver" if told.get("vram_total_mib") is not None else None,
        "counts": "no" if chip in SCREENS else counts, "driver_version": driver, "rocm_version": rocm,
    })  # fmt: skip


def _shares(told: Told) -> bool:
    """A chip that is not in the table: /sys names neither a maker of memory nor a board, and a tool says no more.

    GTT as big as such a memory is the host's: no card without these files has more than 48 GiB.
    """
    if told.get("mem_info_vram_vendor") or told.get("board_info") or told.get("mem_info_vram_total") is None:
        return False
    vram, gtt = told.get("vram_total_mib") or 0, told.get("gtt_total_mib") or 0
    return gtt >= 4 * vram or (gtt >= vram > 48 * 1024)


def problems(lines: list[str], cards: list[Told], said: str, log: str, sysfs: bool) -> Iterable[GpuProblem]:
    for card in cards:
        where, driver = card.get("uuid") or card.get("pci_address"), card.get("kernel_driver")
        if driver in HELD:
            yield GpuProblem(code="bound-vfio", card=where, evidence=card["why"])
        elif driver is None and card.get("bound") is False:
            yield GpuProblem(code="no-driver-bound", card=where, evidence=card["why"])
        elif "not supported in kfd" in log and not card.get("kfd_node"):
            evidence = next(line for line in log.splitlines() if "not supported in kfd" in line)
            yield GpuProblem(code="gpu-unsupported", card=where, evidence=evidence.strip())
    if cards and _denied(lines, said):
        yield GpuProblem(code="no-permission-kfd", evidence="this user may not open /dev/kfd for reading and writing")
    yield from _tool_problems(lines, cards, sysfs)


def _tool_problems(lines: list[str], cards: list[Told], sysfs: bool) -> Iterable[GpuProblem]:
    answers = [answer(lines, label) for label in ("rocmsmi", "rocmsmit", "amdsmi", "amdsmit")]
    everything = "\n".join(f"{a.text}\n{a.complaint}" for a in answers)
    denial = re.search(r"[Dd]river not initialized|not found in modules|NOT_INIT|DRIVER_NOT_LOADED", everything)
    if denial:
        bound = any(c.get("kernel_driver") == "amdgpu" for c in cards) and sysfs
        code: Any = "tool-false-negative" if bound else "driver-not-loaded"
        yield GpuProblem(code=code, evidence=denial.group().strip()[:200])
    if any("{" in a.text and rocm_tools.json_after_noise(a.text) is None for a in (answers[0], answers[2])):
        yield GpuProblem(code="tool-output-unreadable", evidence="the tool's JSON is cut or malformed")
