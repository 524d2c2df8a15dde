"""NVIDIA: the bus says which cards there are, the driver what they are called, `nvidia-smi` what they hold."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from ...schema import Gpu
from . import pci
from .pci import PciCard

# The driver's own files come before the tool: a tool that hangs on a lost card must cost only its own part.
SCRIPT = r"""
sed -n '/NVRM version/s/^/nvrm /p' "$R/proc/driver/nvidia/version"
if command -v nvidia-smi >/dev/null; then
  out=$(limit 25 nvidia-smi -q -x 2>&1); rc=$?
  echo "$out" | sed 's/^/smi /'
  echo "smi-rc $rc"
fi
"""

HOLDERS = {
    "vfio-pci": "bound-vfio",
    "pci-stub": "bound-vfio",
    "xen-pciback": "bound-vfio",
    "nouveau": "bound-nouveau",
    "nova": "bound-nouveau",
}
# Masked or missing identifiers that tools print where there is none.
NO_UUID = re.compile(r"^GPU-[0fF-]*$|N/A|\?")


def parse(lines: list[str]) -> list[Gpu]:
    """The NVIDIA cards: each of the bus, told what `nvidia-smi` knows of it."""
    told, complaint = _smi(lines)
    cards = {c.address: c for c in pci.parse(lines, "10de")}
    cards |= {a: PciCard(a, _pci_id(told[a]), "nvidia") for a in told if a not in cards}
    nvrm = next(
        (m.group() for line in lines if line.startswith("nvrm ") and (m := re.search(r"\d+(\.\d+){1,2}", line))),
        None,
    )
    return [_card(card, told.get(address), complaint, nvrm) for address, card in cards.items()]


def _smi(lines: list[str]) -> tuple[dict[str, ElementTree.Element], str]:
    """`nvidia-smi -q -x` by PCI address, and what it complained of when it gave no report."""
    text = "\n".join(line[4:] for line in lines if line.startswith("smi "))
    start, end = text.find("<nvidia_smi_log>"), text.find("</nvidia_smi_log>")
    if start < 0 or end < 0:
        return {}, " ".join(text.split())[:200]
    try:
        root = ElementTree.fromstring(text[start : end + len("</nvidia_smi_log>")])
    except ElementTree.ParseError as error:
        return {}, f"nvidia-smi printed unreadable XML: {error}"
    for version in ("driver_version", "cuda_version"):
        for gpu in root.iter("gpu"):
            ElementTree.SubElement(gpu, version).text = root.findtext(version)
    return {pci.normal(gpu.get("id", "")): gpu for gpu in root.iter("gpu") if gpu.get("id")}, ""


def _pci_id(gpu: ElementTree.Element) -> str:
    """``221610DE``, as the tool prints it, as ``10de:2216``."""
    text = (gpu.findtext("pci/pci_device_id") or "").lower().removeprefix("0x")
    return f"{text[4:]}:{text[:4]}" if len(text) == 8 else "10de:?"


def _card(card: PciCard, gpu: ElementTree.Element | None, complaint: str, nvrm: str | None) -> Gpu:
    base: dict[str, Any] = {
        "vendor": "nvidia",
        "pci_address": card.address,
        "pci_id": card.id,
        "kernel_driver": card.driver,
    }
    if gpu is not None:
        return Gpu(**base, **_told(gpu))
    if card.driver in HOLDERS:
        return Gpu(**base, state=HOLDERS[card.driver], evidence=f"held by {card.driver}")
    if card.driver is None:
        return Gpu(**base, state="no-driver", evidence=complaint or "no kernel driver is bound to it")
    return Gpu(
        **base,
        driver_version=nvrm,
        state="driver-broken",
        evidence=complaint or "nvidia-smi is not there or did not answer",
    )


def _told(gpu: ElementTree.Element) -> dict[str, Any]:
    uuid = gpu.findtext("uuid") or ""
    total = _mib(gpu.findtext("fb_memory_usage/total"))
    return {
        "uuid": uuid if uuid and not NO_UUID.search(uuid) else None,
        "name": gpu.findtext("product_name"),
        "vram_total_mib": total,
        "vram_free_mib": _mib(gpu.findtext("fb_memory_usage/free")),
        "driver_version": _version(gpu.findtext("driver_version")),
        "cuda_version": _version(gpu.findtext("cuda_version")),
        "state": "usable" if total else "unknown",
        "evidence": "nvidia-smi answers" if total else "nvidia-smi gives no memory size",
    }


def _mib(text: str | None) -> int | None:
    """``24564 MiB`` as a number; None for ``N/A`` and the like."""
    found = re.fullmatch(r"(\d+) MiB", (text or "").strip())
    return int(found.group(1)) if found else None


def _version(text: str | None) -> str | None:
    found = re.search(r"\d+(\.\d+){1,2}", text or "")
    return found.group() if found else None
