"""Intel: the bus and its driver, `xpu-smi` where it is, OpenCL for the memory that /sys does not show."""

from __future__ import annotations

import json
import re
from typing import Any

from ...schema.gpu import Gpu, GpuProblem
from . import pci
from .pci import PciCard
from .seen import Seen
from .tools import answer

SCRIPT = r"""
case "$(grep -hs 0x8086 "$R"/sys/bus/pci/devices/*/vendor | head -n 1)$(command -v xpu-smi)$(command -v clinfo)" in ?*)
  ask xpusmi xpu-smi discovery -j
  ask clinfo clinfo --json ;;
esac
"""

VENDOR = "8086"
# The processor's own graphics sit there on every Intel platform; cards sit behind a bridge, so on another bus.
INTEGRATED = re.compile(r"^0000:00:02\.\d$")
DRIVERS = ("xe", "i915")
HELD = ("vfio-pci", "pci-stub", "xen-pciback")


def parse(lines: list[str]) -> Seen:
    """The discrete Intel cards. Integrated graphics share the host's memory and are not counted as cards."""
    found = {a: c for a, c in pci.cards(lines, VENDOR).items() if not INTEGRATED.match(a)}
    told, opencl = _xpu_smi(answer(lines, "xpusmi").text), _opencl(answer(lines, "clinfo").text)
    for address, device in told.items():
        found.setdefault(address, PciCard(address, f"{VENDOR}:{device['pci_device_id'][2:]}", "0300", driver="xe"))
    cards = tuple(_card(c, told.get(a, {}), opencl.get(a, {})) for a, c in sorted(found.items()))
    return Seen(cards, _problems([c for a, c in sorted(found.items()) if a not in told]))


def _card(card: PciCard, told: dict[str, Any], opencl: dict[str, Any]) -> Gpu:
    memory = opencl.get("CL_DEVICE_GLOBAL_MEM_SIZE")
    held = card.driver in HELD
    usable = True if told else False if held or card.bound is False else None
    node = str(told.get("drm_device", "")).rpartition("/")[2]
    return Gpu(
        vendor="intel",
        index=told.get("device_id"),
        name=told.get("device_name") or opencl.get("CL_DEVICE_NAME") or card.name,
        pci_address=card.address,
        pci_id=card.id,
        uuid=told.get("uuid"),
        kind="dgpu",
        memory_kind="dedicated",
        vram_total_mib=memory >> 20 if isinstance(memory, int) else None,
        vram_source="driver" if isinstance(memory, int) else None,
        kernel_driver=card.driver,
        render_node=card.render_node,
        card_node=node or card.card_node,
        numa_node=card.numa_node,
        usable=usable,
        counts={True: "yes", False: "no", None: None}[usable],
        why="xpu-smi lists it" if told else _why(card, held),
    )


def _why(card: PciCard, held: bool) -> str:
    if held:
        return f"held by {card.driver} for a virtual machine"
    return {True: f"driver {card.driver} is bound", False: "no driver is bound", None: "only listed"}[card.bound]


def _problems(cards: list[PciCard]) -> tuple[GpuProblem, ...]:
    held = [GpuProblem(code="bound-vfio", card=c.address, evidence=_why(c, True)) for c in cards if c.driver in HELD]
    bare = [
        GpuProblem(code="no-driver-bound", card=c.address, evidence=_why(c, False)) for c in cards if c.bound is False
    ]
    return (*held, *bare)


def _xpu_smi(text: str) -> dict[str, dict[str, Any]]:
    """What `xpu-smi discovery -j` lists, by address."""
    rows = _json(text).get("device_list")
    rows = [r for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []
    usual = [r for r in rows if re.fullmatch(r"0x[0-9a-f]{4}", str(r.get("pci_device_id")))]
    return {pci.normal(str(r["pci_bdf_address"])): r for r in usual if r.get("pci_bdf_address")}


def _opencl(text: str) -> dict[str, dict[str, Any]]:
    """Intel's devices in `clinfo --json`, by the address that they say."""
    found = {}
    for device in _devices(_json(text)):
        bus = re.search(
            r"[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]", str(device.get("CL_DEVICE_PCI_BUS_INFO_KHR"))
        )
        if bus and "Intel" in str(device.get("CL_DEVICE_VENDOR")):
            found[pci.normal(bus.group())] = device
    return found


def _devices(told: dict[str, Any]) -> list[dict[str, Any]]:
    groups = told.get("devices")
    rows = (
        [d for g in groups if isinstance(g, dict) for d in _list(g.get("online"))] if isinstance(groups, list) else []
    )
    return [d for d in rows if isinstance(d, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(text: str) -> dict[str, Any]:
    """The object in ``text``; empty when there is none, or half of one."""
    try:
        told = json.loads(text[text.index("{") :])
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
