"""What NVIDIA's sources say, in one shape: a Told for each card; and the readers of single values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ...schema.gpu import MigDevice

ADDRESS = r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]"
_HEX = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# A Jetson's has nothing before its digits.
_UUID = re.compile(rf"(?:(?:GPU-)?{_HEX}|MIG-{_HEX}|MIG-GPU-{_HEX}/\d+/\d+)", re.ASCII)
# A card that no longer answers gets these in place of its values.
BROKEN = re.compile(r"ERR!|Unknown Error|GPU is lost|GPU requires reset", re.IGNORECASE)
ABSENT = re.compile(r"\[?(?:N/A|Not Supported)\]?", re.IGNORECASE)


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
    found = list(known)
    for told in more:
        place = next((n for n, other in enumerate(found) if same(other, told)), len(found))
        found[place : place + 1] = [merged(found[place], told) if place < len(found) else told]
    return found


def merged(one: Told, other: Told) -> Told:
    """Both as one card; a name that was cut short gives way to a whole one."""
    values = vars(other) | {key: value for key, value in vars(one).items() if value is not None}
    if other.name and (one.name or "").endswith("..."):
        values["name"] = other.name
    return Told(**values | {"migs": _merged_migs(one.migs, other.migs)})


def same(one: Told, other: Told) -> bool:
    """Whether both are of one card. The index is asked last, where not both have an address or an identifier."""
    if one.address and other.address:
        return one.address == other.address
    # Captures with masked identifiers have one and the same for every card.
    if one.uuid and other.uuid and (one.uuid != other.uuid or one.uuid.strip("GPU-0")):
        return one.uuid == other.uuid
    return one.index is not None and one.index == other.index


def _merged_migs(
    one: tuple[MigDevice, ...] | None, other: tuple[MigDevice, ...] | None
) -> tuple[MigDevice, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    both = {d.index: d for d in other}
    for device in one:
        known = {k: v for k, v in device if v is not None}
        both[device.index] = both[device.index].model_copy(update=known) if device.index in both else device
    return tuple(sorted(both.values(), key=lambda d: -1 if d.index is None else d.index))


def mib(text: str | None) -> int | None:
    """``24564 MiB`` or ``24564`` as a number; None for ``[N/A]`` and the like. Old tools write MB and mean MiB."""
    return number(re.sub(r" ?Mi?B$", "", (text or "").strip()))


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
    bad = not text or BROKEN.search(text) or ABSENT.fullmatch(text) or text.startswith("[") or text == "Unknown"
    return None if bad else text


def cuda_fault(text: str | None) -> Literal["no-cuda-driver", "cuda-library-broken"] | None:
    """What the text in place of the CUDA version means: no libcuda (or a vGPU host's driver), or one that fails."""
    text = (text or "").strip()
    return "no-cuda-driver" if text in ("N/A", "Not Found") else "cuda-library-broken" if BROKEN.search(text) else None


def withheld(text: str | None) -> bool | None:
    """Whether ``text`` says that there is no memory to report; None where nothing was said."""
    return bool(ABSENT.fullmatch(text.strip())) if text else None
