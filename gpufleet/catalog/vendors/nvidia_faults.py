"""What `nvidia-smi` says in place of cards, and what the kernel module wrote in the kernel's log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...schema.gpu import ProblemCode
from . import pci
from .nvidia_told import ADDRESS, Told, number

# Of the whole host; each ends the call before any card is named. Plain words, and patterns that begin with some: a
# report of many cards is searched for all of them.
_COMPLAINTS: tuple[tuple[ProblemCode, str], ...] = (
    ("driver-mismatch", "Driver/library version mismatch"),
    ("container-lost-gpu", "initialize NVML: Unknown Error"),
    ("container-lost-gpu", "initialize NVML: GPU access blocked by the operating system"),
    ("nvml-library-missing", "couldn't find libnvidia-ml"),
    ("nvml-library-missing", "initialize NVML: Shared Library Not Found"),
    ("nvml-library-missing", "initialize NVML: Library Not Found"),
    ("driver-not-loaded", "couldn't communicate with the NVIDIA driver"),
    ("driver-not-loaded", "initialize NVML: Driver Not Loaded"),
    ("no-devices-found", "No devices were found"),
    ("no-devices-found", "No devices found"),
)
_LOST = re.compile(
    rf"nable to determine the device handle for (?i:gpu *)?(?:([0-9]+): +)?({ADDRESS})(?:: (.*))?", re.ASCII
)
_INFOROM = re.compile(rf"WARNING: infoROM is corrupted at (?i:gpu) ({ADDRESS})", re.ASCII)
_UNSUPPORTED = re.compile(
    r"is not supported by|requires use of the NVIDIA open|supported through the NVIDIA \S+ Legacy", re.IGNORECASE
)
# 79: fallen off the bus; 119, 120: its own processor does not answer any more.
_FALLEN = re.compile(r"fallen off the bus|Xid \([^)]*\): (?:79|119|120)\b")
_FAILED = re.compile(r"RmInitAdapter failed|rm_init_adapter failed", re.IGNORECASE)
_SHORT = r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\b"
_NAMED = re.compile(rf"(?:GPU |PCI:)(?:at )?(?:PCI:)?({ADDRESS}|{_SHORT})", re.IGNORECASE)


@dataclass(frozen=True)
class Log:
    """What the kernel's log says of one card; ``address`` None: of one that it does not name."""

    address: str | None
    pci_id: str | None = None
    lost: str | None = None
    failed: str | None = None
    unsupported: str | None = None


def complaint(text: str) -> tuple[ProblemCode, str] | None:
    """Why the tool names no card, with its own words (and the library's version that it may add)."""
    for code, words in _COMPLAINTS:
        if (start := text.find(words)) >= 0:
            library = re.search(r"^NVML library version: .*$", text, re.MULTILINE)
            whole = text[text.rfind("\n", 0, start) + 1 :].partition("\n")[0]
            said = [whole, *([library.group()] if library and code == "driver-mismatch" else [])]
            return code, "; ".join(w.strip() for w in said)[:300]
    return None


def lost(text: str) -> list[Told]:
    """The cards that the tool names because it cannot reach them."""
    return [
        Told(number(m[1]), pci.normal(m[2]), lost=f"nvidia-smi cannot reach it: {(m[3] or 'no reason').strip()}")
        for m in _LOST.finditer(text)
    ]


def worn(text: str) -> list[Told]:
    """The cards that the tool warns of below an answer that is good otherwise."""
    return [Told(address=pci.normal(m[1]), degraded=m.group()) for m in _INFOROM.finditer(text)]


def kernel_log(text: str) -> list[Log]:
    """What the kernel module complained of, by card. A message may go on over lines that do not name it again."""
    found: dict[str | None, Log] = {}
    for log in _messages(text):
        old = found.get(log.address, Log(log.address))
        known = {k: v for k, v in vars(log).items() if v is not None}
        found[log.address] = replace(old, **known)
    return [log for log in found.values() if log.lost or log.failed or log.unsupported or log.pci_id]


def _messages(text: str) -> Iterator[Log]:
    address: str | None = None
    before = ""
    for line in text.splitlines():
        _, mark, message = line.partition("NVRM: ")
        if not mark:
            continue
        named = _NAMED.search(message)
        if named:
            address, before = _whole(named[1]), ""
        elif not message.startswith(" ") and re.match(r"[A-Z].* GPU installed", message):
            address, before = None, ""
        id_ = re.search(r"PCI ID: (10de:[0-9a-f]{4})\)", message)
        whole = f"{before} {message}".strip()[:300]
        before = whole
        yield Log(
            address,
            pci_id=id_[1] if id_ else None,
            lost=f"kernel: {message[:200]}" if named and _FALLEN.search(message) else None,
            failed=f"kernel: {message[:200]}" if named and _FAILED.search(message) else None,
            unsupported=f"kernel: {whole}" if _UNSUPPORTED.search(" ".join(whole.split())) else None,
        )


def _whole(address: str) -> str:
    """Xid lines leave the function out: a GPU is function 0."""
    return pci.normal(address if "." in address else f"{address}.0")
