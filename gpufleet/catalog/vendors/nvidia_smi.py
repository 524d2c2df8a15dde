"""What `nvidia-smi` prints, in each format but its table, as one shape: a Told for each card.

`-q -x` and `-q` say the same, one as XML and one indented: both become one tree, that one reader reads.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any, Literal
from xml.etree.ElementTree import Element, ParseError, SubElement, XMLPullParser

from ...schema.gpu import MigDevice
from . import pci

ADDRESS = r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]"
_HEX = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_UUID = re.compile(rf"(?:GPU-{_HEX}|MIG-{_HEX}|MIG-GPU-{_HEX}/\d+/\d+)", re.ASCII)
# A card that no longer answers gets these in place of its values.
BROKEN = re.compile(r"ERR!|Unknown Error|GPU is lost", re.IGNORECASE)
_ABSENT = re.compile(r"\[?(?:N/A|Not Supported)\]?", re.IGNORECASE)
_UNLICENSED = re.compile(r"Unlicensed(?! \(Unrestricted)", re.IGNORECASE)
_SENSORS = ("fan_speed", "gpu_temp", "gpu_current_temp", "power_draw", "average_power_draw", "instant_power_draw")


@dataclass(frozen=True)
class Told:
    """What a source says of one card; None: it does not say. Memory in MiB, ``address`` as in /sys.

    ``withheld``: asked for its memory it answers that it has none of its own; ``lost`` (the tool
    says so), ``dead`` (the driver does, which an answer of the tool outweighs) and ``degraded`` are evidence;
    ``answered``: the tool spoke with the card; ``windows``: the driver is that of the Windows around a WSL.
    """

    index: int | None = None
    address: str | None = None
    pci_id: str | None = None
    uuid: str | None = None
    name: str | None = None
    total: int | None = None
    free: int | None = None
    withheld: bool | None = None
    minor: int | None = None
    mig_mode: str | None = None
    migs: tuple[MigDevice, ...] | None = None
    driver: str | None = None
    cuda: str | None = None
    cuda_fault: Literal["no-cuda-driver", "cuda-library-broken"] | None = None
    lost: str | None = None
    dead: str | None = None
    degraded: str | None = None
    virtual: bool | None = None
    windows: bool | None = None
    answered: bool | None = None


def gather(known: list[Told], more: Iterable[Told]) -> list[Told]:
    """``known`` with what ``more`` adds: the first that says something wins; a card not among them is one more."""
    for told in more:
        place = next((n for n, other in enumerate(known) if same(other, told)), None)
        before, after = (known, []) if place is None else (known[:place], known[place + 1 :])
        known = [*before, told if place is None else merged(known[place], told), *after]
    return known


def merged(one: Told, other: Told) -> Told:
    """Both as one card; a name that was cut short gives way to a whole one."""
    values = {f.name: _first(getattr(one, f.name), getattr(other, f.name)) for f in fields(Told)}
    if other.name and (one.name or "").endswith("..."):
        values["name"] = other.name
    return replace(one, **values | {"migs": _merged_migs(one.migs, other.migs)})


def _first(one: Any, other: Any) -> Any:
    return other if one is None else one


def same(one: Told, other: Told) -> bool:
    """Whether both are of one card. The index is asked last, where not both have an address or an identifier."""
    if one.address and other.address:
        return one.address == other.address
    # Captures with masked identifiers have one and the same for every card.
    if one.uuid and other.uuid and re.search("[1-9a-f]", one.uuid[4:] + other.uuid[4:], re.IGNORECASE):
        return one.uuid == other.uuid
    return one.index is not None and one.index == other.index


def _merged_migs(
    one: tuple[MigDevice, ...] | None, other: tuple[MigDevice, ...] | None
) -> tuple[MigDevice, ...] | None:
    if one is None or other is None:
        return _first(one, other)  # type: ignore[no-any-return]
    both = {d.index: d for d in other}
    for device in one:
        known = {k: v for k, v in device if v is not None}
        both[device.index] = both[device.index].model_copy(update=known) if device.index in both else device
    return tuple(sorted(both.values(), key=lambda d: -1 if d.index is None else d.index))


def mib(text: str | None) -> int | None:
    """``24564 MiB`` or ``24564`` as a number; None for ``[N/A]`` and the like."""
    return number(re.sub(r" ?MiB$", "", (text or "").strip()))


def number(text: str | None) -> int | None:
    """A count of at most nine digits; None for all else."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text.strip()) else None


def version(text: str | None) -> str | None:
    """The first version in a text.

    >>> version("610.57.04 [Deprecated; use KMD Version]"), version("N/A"), version("Open Module for x86_64  515.43.04")
    ('610.57.04', None, '515.43.04')
    """
    found = re.search(r"\b[0-9]{1,4}(?:\.[0-9]{1,4}){1,2}\b", text or "")
    return found.group() if found else None


def uuid(text: str | None) -> str | None:
    """An identifier that may be stored: whole, and of hexadecimal digits that are not all f."""
    text = (text or "").strip()
    return text if _UUID.fullmatch(text) and not re.fullmatch("[GPUMI-]*[fF-]+", text) else None


def name(text: str | None) -> str | None:
    """A product's name as printed; None for what stands there when there is none."""
    text = (text or "").strip()
    bad = not text or BROKEN.search(text) or _ABSENT.fullmatch(text) or text.startswith("[") or text == "Unknown"
    return None if bad else text


def cuda_fault(text: str | None) -> Literal["no-cuda-driver", "cuda-library-broken"] | None:
    """What the text in place of the CUDA version means: no libcuda (or a vGPU host's driver), or one that fails."""
    text = (text or "").strip()
    return "no-cuda-driver" if text in ("N/A", "Not Found") else "cuda-library-broken" if BROKEN.search(text) else None


def withheld(text: str | None) -> bool | None:
    """Whether ``text`` says that there is no memory to report; None where nothing was said."""
    return bool(_ABSENT.fullmatch(text.strip())) if text else None


def details(text: str, numbered: bool = True) -> list[Told]:
    """The cards in what `-q -x` or `-q` printed, cut or not. ``numbered``: all were asked, so their order counts."""
    found = []
    for root in _xml(text) or [_indented(text)]:
        for index, gpu in enumerate(root.findall("gpu")):
            found.append(replace(_detail(gpu, root), index=index if numbered else None))
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
    """`-q` as the tree that `-q -x` would be, with ``Product Name`` as ``product_name``."""
    root = Element("nvidia_smi_log")
    path = [(-1, root)]
    for line in text.splitlines():
        key, _, value = line.strip().partition(" : ")
        depth = len(line) - len(line.lstrip())
        while path[-1][0] >= depth:
            path.pop()
        card = re.fullmatch(rf"GPU ({ADDRESS})", key) if depth == 0 else None
        tag = re.sub(r"\W+", "_", key.lower().rstrip(" :"))
        node = SubElement(path[-1][1], "gpu", id=card[1]) if card else SubElement(path[-1][1], tag)
        node.text = value
        path.append((depth, node))
    return root


def _detail(gpu: Element, root: Element) -> Told:
    def text(*paths: str, of: Element = gpu) -> str | None:
        return next((t for p in paths if (t := (of.findtext(p) or "").strip())), None)

    total, called = text("fb_memory_usage/total"), text("product_name") or ""
    address = gpu.get("id") or text("pci/pci_bus_id", "pci/bus_id") or ""
    cuda = text("cuda_version", "cuda_umd_version", of=root)
    virtual = text("gpu_virtualization_mode/virtualization_mode")
    return Told(
        address=pci.normal(address) if re.fullmatch(ADDRESS, address) else None,
        pci_id=_pci_id(text("pci/pci_device_id", "pci/device_id")),
        uuid=uuid(text("uuid", "gpu_uuid")),
        name=name(called),
        total=mib(total),
        free=mib(text("fb_memory_usage/free")),
        withheld=withheld(total),
        minor=number(text("minor_number")),
        mig_mode=_mode(text("mig_mode/current_mig", "mig_mode/current")),
        migs=_migs(gpu),
        driver=version(text("driver_version", "kmd_version", of=root)),
        cuda=version(cuda),
        cuda_fault=cuda_fault(cuda),
        lost=next((f"nvidia-smi says {t}" for t in (called, total) if t and BROKEN.search(t)), None),
        degraded=next(_degraded(gpu), None),
        virtual=True if virtual and virtual.upper() == "VGPU" else None,
        windows=True if text("driver_model/current_dm", "driver_model/current") in ("WDDM", "TCC", "MCDM") else None,
        answered=True,
    )


def _pci_id(text: str | None) -> str | None:
    """``221610DE``, device before vendor, as ``10de:2216``."""
    found = re.fullmatch(r"(?:0x)?([0-9a-f]{4})([0-9a-f]{4})", (text or "").lower())
    return f"{found[2]}:{found[1]}" if found else None


def _mode(text: str | None) -> str | None:
    return text if text in ("Enabled", "Disabled") else None


def _migs(gpu: Element) -> tuple[MigDevice, ...] | None:
    """The instances; empty only where the text goes on behind the place where they would be."""
    rows = [*gpu.findall("mig_devices/mig_device"), *gpu.findall("mig_device")]
    mode = _mode(gpu.findtext("mig_mode/current_mig") or gpu.findtext("mig_mode/current"))
    if mode is None or not (rows or gpu.find("accounting_mode") is not None):
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
    for node in gpu.iter():
        said = (node.text or "").strip()
        if node.tag in _SENSORS and BROKEN.search(said):
            yield f"nvidia-smi says {said} for {node.tag}"
        if node.tag == "gpu_recovery_action" and said not in ("", "None") and not _ABSENT.fullmatch(said):
            yield f"nvidia-smi wants it recovered: {said}"
        if node.tag == "license_status" and _UNLICENSED.match(said):
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
        lost=next((f"nvidia-smi says {t}" for t in (called, total) if t and BROKEN.search(t)), None),
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
