"""What `nvidia-smi` prints, in each format but its table.

`-q -x` and `-q` say the same, one as XML and one indented: both become one tree, that one reader reads.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, XMLPullParser

from ...schema.gpu import MigDevice
from . import pci
from .nvidia_told import ABSENT, ADDRESS, BROKEN, Told, cuda_fault, mib, name, number, uuid, version, withheld

_CARD = re.compile(rf"GPU ({ADDRESS})")
_UNLICENSED = re.compile(r"Unlicensed(?! \(Unrestricted)", re.IGNORECASE)
_SENSORS = ("fan_speed", "gpu_temp", "gpu_current_temp", "power_draw", "average_power_draw", "instant_power_draw")
# Four fifths of a report by `-q` are clocks, limits and counters.
_READ = set(_SENSORS) | {
    *("driver_version", "kmd_version", "cuda_version", "cuda_umd_version", "product_name", "uuid", "gpu_uuid"),
    *("minor_number", "bus_id", "device_id", "total", "free", "current", "current_mig", "virtualization_mode"),
    *("accounting_mode", "license_status", "gpu_recovery_action"),
    *("index", "gpu_instance_id", "compute_instance_id", "mig_uuid"),
}


def details(text: str, numbered: bool = True) -> list[Told]:
    """The cards in what `-q -x` or `-q` printed, cut or not. ``numbered``: all were asked, so their order counts."""
    found = []
    for root in _xml(text) or [_indented(text)]:
        said = {node.tag: (node.text or "").strip() for node in root}
        cuda = said.get("cuda_version") or said.get("cuda_umd_version")
        driver = version(said.get("driver_version") or said.get("kmd_version"))
        for index, gpu in enumerate({gpu.get("id"): gpu for gpu in root.iterfind("gpu[@id]")}.values()):
            told = replace(_detail(gpu), driver=driver, cuda=version(cuda), cuda_fault=cuda_fault(cuda))
            found.append(replace(told, index=index) if numbered else told)
    return found


def _xml(text: str) -> list[Element]:
    """The documents in ``text``. Of one that was cut, what came before: never half a value."""
    roots: list[Element] = []
    for part in text.split("<nvidia_smi_log")[1:]:
        parser: XMLPullParser[Any] = XMLPullParser(["start"])
        with suppress(ParseError, ValueError, StopIteration):
            parser.feed("<nvidia_smi_log" + part)
            first: Any = next(iter(parser.read_events()))
            roots.append(first[1])
    return roots


def _indented(text: str) -> Element:
    """What is read of `-q`, as the tree that `-q -x` would be: ``Product Name`` is ``product_name``."""
    root = Element("nvidia_smi_log")
    path = [(-1, root)]
    for line in text.splitlines()[:-1]:  # the last may be half a line; of a whole report it is about a process
        words = line.lstrip()
        key, mark, value = words.partition(" : ")
        tag = _tag(key)
        if mark and tag not in _READ:
            continue
        depth = len(line) - len(words)
        while path[-1][0] >= depth:
            path.pop()
        card = _CARD.fullmatch(key) if depth == 0 else None
        node = SubElement(path[-1][1], "gpu", id=card[1]) if card else SubElement(path[-1][1], tag)
        if mark:
            node.text = value
        else:
            path.append((depth, node))
    return root


@lru_cache(1024)
def _tag(key: str) -> str:
    return key.rstrip(" :").lower().replace(" ", "_")


def _detail(gpu: Element) -> Told:
    said = _said(gpu)

    def text(*paths: str) -> str | None:
        return next((said[p] for p in paths if said.get(p)), None)

    total, called, identifier = text("fb_memory_usage/total"), text("product_name"), text("uuid", "gpu_uuid")
    address = gpu.get("id") or text("pci/pci_bus_id", "pci/bus_id") or ""
    virtual = text("gpu_virtualization_mode/virtualization_mode")
    return Told(
        address=pci.normal(address) if re.fullmatch(ADDRESS, address) else None,
        pci_id=_pci_id(text("pci/pci_device_id", "pci/device_id")),
        uuid=uuid(identifier),
        name=name(called),
        total=mib(total),
        free=mib(text("fb_memory_usage/free")),
        withheld=withheld(total),
        minor=number(text("minor_number")),
        mig_mode=(mode := _mode(text("mig_mode/current_mig", "mig_mode/current"))),
        migs=_migs(gpu) if mode else None,
        lost=_lost(called, total, identifier),
        degraded=next(_degraded(gpu), None),
        virtual=True if virtual and virtual.upper() == "VGPU" else None,
        windows=True if text("driver_model/current_dm", "driver_model/current") in ("WDDM", "TCC", "MCDM") else None,
        answered=True,
    )


def _said(gpu: Element) -> dict[str, str]:
    """The values by path, two levels deep: asking the tree for each of them takes far longer."""
    found: dict[str, str] = {}
    for node in gpu:
        found.setdefault(node.tag, (node.text or "").strip())
        for inner in node:
            found.setdefault(f"{node.tag}/{inner.tag}", (inner.text or "").strip())
    return found


def _lost(*values: str | None) -> str | None:
    """Evidence: what stands in place of a value that every card has."""
    return next((f"nvidia-smi says {v}" for v in values if v and BROKEN.search(v)), None)


def _pci_id(text: str | None) -> str | None:
    """``221610DE``, device before vendor, as ``10de:2216``."""
    found = re.fullmatch(r"(?:0x)?([0-9a-f]{4})([0-9a-f]{4})", (text or "").lower())
    return f"{found[2]}:{found[1]}" if found else None


def _mode(text: str | None) -> str | None:
    return text if text in ("Enabled", "Disabled") else None


def _migs(gpu: Element) -> tuple[MigDevice, ...] | None:
    """The instances; empty only where the text goes on behind the place where they would be."""
    rows = [*gpu.findall("mig_devices/mig_device"), *gpu.findall("mig_device")]
    if not rows and gpu.find("accounting_mode") is None:
        return None
    return tuple(_mig(row) for row in rows if row.findtext("index"))


def _mig(row: Element) -> MigDevice:
    total = row.findtext("fb_memory_usage/total") or row.findtext("shared_fb_memory_usage/total")
    return MigDevice(
        index=number(row.findtext("index")),
        gi=number(row.findtext("gpu_instance_id")),
        ci=number(row.findtext("compute_instance_id")),
        uuid=uuid(row.findtext("uuid") or row.findtext("mig_uuid")),
        vram_total_mib=mib(total),
    )


def _degraded(gpu: Element) -> Iterator[str]:
    for tag in (*_SENSORS, "gpu_recovery_action", "license_status"):
        for said in ((node.text or "").strip() for node in gpu.iter(tag)):
            if tag in _SENSORS and BROKEN.search(said):
                yield f"nvidia-smi says {said} for {tag}"
            if tag == "gpu_recovery_action" and said not in ("", "None") and not ABSENT.fullmatch(said):
                yield f"nvidia-smi wants it recovered: {said}"
            if tag == "license_status" and _UNLICENSED.match(said):
                yield f"the vGPU's licence: {said}"


def rows(text: str) -> list[Told]:
    """The cards in `--query-gpu=... --format=csv`, whatever its fields, with or without units."""
    found: list[Told] = []
    header: list[str] = []
    for cells in csv.reader(text.splitlines(), skipinitialspace=True, quoting=csv.QUOTE_NONE):
        if not header:
            header = [re.sub(r" \[.*\]$", "", c.strip()) for c in cells] if _titled(cells) else []
        elif len(cells) == len(header):
            found.append(_row(dict(zip(header, map(str.strip, cells), strict=True))))
    return [told for told in found if told.address or told.uuid or told.index is not None]


def _titled(cells: list[str]) -> bool:
    return bool({"index", "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id"} & {c.strip() for c in cells})


def _row(row: dict[str, str]) -> Told:
    called, total = row.get("name") or row.get("gpu_name") or "", row.get("memory.total")
    address = row.get("pci.bus_id") or row.get("gpu_bus_id") or ""
    return Told(
        index=number(row.get("index")),
        address=pci.normal(address) if re.fullmatch(ADDRESS, address) else None,
        pci_id=_pci_id(row.get("pci.device_id")),
        uuid=uuid(row.get("uuid") or row.get("gpu_uuid")),
        name=name(called),
        total=mib(total),
        free=mib(row.get("memory.free")),
        withheld=withheld(total),
        mig_mode=_mode(row.get("mig.mode.current")),
        driver=version(row.get("driver_version") or row.get("kmd_version")),
        lost=_lost(called, total),
        answered=True,
    )


def listed(text: str) -> list[Told]:
    """The cards and instances in `nvidia-smi -L`.

    >>> listed("GPU 0: Orin (nvgpu) (UUID: N/A)")[0].name
    'Orin (nvgpu)'
    """
    found: list[Told] = []
    for line in text.splitlines():
        # A name may hold parentheses, so the last ones count.
        if card := re.fullmatch(r"GPU ([0-9]+): (.*) \(UUID: ([^()]*)\)\s*", line):
            found.append(Told(number(card[1]), uuid=uuid(card[3]), name=name(card[2]), answered=True))
        elif found and (mig := re.fullmatch(r"\s+MIG (\S+)\s+Device +([0-9]+): \(UUID: ([^()]*)\)\s*", line)):
            parts = re.search(r"/([0-9]+)/([0-9]+)$", mig[3])
            device = MigDevice(
                index=number(mig[2]),
                profile=mig[1],
                uuid=uuid(mig[3]),
                gi=number(parts[1]) if parts else None,
                ci=number(parts[2]) if parts else None,
            )
            found[-1] = replace(found[-1], mig_mode="Enabled", migs=(*(found[-1].migs or ()), device))
    return found
