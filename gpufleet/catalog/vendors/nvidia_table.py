"""The table that plain `nvidia-smi` prints: two or three lines a card, changed often, names cut to fit."""

from __future__ import annotations

import re
from dataclasses import replace

from ...schema.gpu import MigDevice
from . import pci
from .nvidia_told import ADDRESS, BROKEN, Told, cuda_fault, gather, mib, name, number, version, withheld

_CARD = re.compile(r"([0-9]{1,4})\s+(\S.*?)\s+(?:On|Off|N/A|ERR!|Enabled|Disabled|WDDM|TCC|MCDM)")
_BUS = re.compile(rf"({ADDRESS}|N/A)(?:\s+\S+)?")
_MIG = re.compile(r"([0-9]{1,4})\s+([0-9]{1,4})\s+([0-9]{1,4})\s+([0-9]{1,4})")
_MEMORY = re.compile(r"[0-9]+Mi?B\s*/\s*([0-9]+Mi?B)")


def table(text: str) -> list[Told]:
    """The cards of the table, with the versions of its head."""
    head = _head(text)
    parts = re.split(r"(MIG devices:|Processes:)", text)
    sections = dict(zip(["", *parts[1::2]], parts[::2], strict=True))
    cards = [_merged_head(_card(block), head) for block in _blocks(sections[""])]
    migs = sections.get("MIG devices:", "")
    cards = gather(cards, [told for told in _migs(migs) if told.index in {c.index for c in cards}])
    none = "No MIG devices found" in migs
    return [replace(c, migs=()) if none and c.mig_mode == "Enabled" and c.migs is None else c for c in cards]


def _head(text: str) -> Told:
    tool = version(_said(r"NVIDIA-SMI\s+([0-9.]+)", text))
    driver = version(_said(r"(?:Driver|KMD) Version:\s*(\S+)", text))
    cuda = _said(r"CUDA (?:UMD )?Version:\s*(Not Found|\S+)", text)
    # On Linux tool and driver are of one release, or the tool refuses; under WSL each has its own.
    windows = True if tool and driver and tool != driver else None
    return Told(driver=driver, cuda=version(cuda), cuda_fault=cuda_fault(cuda), windows=windows, answered=True)


def _said(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1] if found else None


def _merged_head(card: Told, head: Told) -> Told:
    return replace(
        card, driver=head.driver, cuda=head.cuda, cuda_fault=head.cuda_fault, windows=head.windows, answered=True
    )


def _blocks(text: str) -> list[list[list[str]]]:
    """The lines of each card, each as its cells; what lies between two cards' frames belongs to the first."""
    blocks: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if len(cells) > 1 and _CARD.fullmatch(cells[0]) and _BUS.fullmatch(cells[1]):
            blocks.append([cells])
            inside = True
        elif inside and len(cells) == 3:
            blocks[-1].append(cells)
        else:
            inside = False
    return blocks


def _card(block: list[list[str]]) -> Told:
    first, rest = block[0], block[1:]
    card, bus = _CARD.fullmatch(first[0]), _BUS.fullmatch(first[1])
    memory = rest[0][1] if rest else None
    total = _MEMORY.fullmatch(memory or "")
    mode = rest[1][2].rstrip("*") if len(rest) > 1 else ""
    called = card[2] if card else ""
    gone = next((t for t in (called, memory) if t and BROKEN.search(t)), None)
    failing = BROKEN.search(" ".join(cell for line in block for cell in line))
    return Told(
        index=number(card[1]) if card else None,
        address=pci.normal(bus[1]) if bus and bus[1] != "N/A" else None,
        name=name(called),
        total=mib(total[1]) if total else None,
        withheld=withheld(memory),
        # A star is a change that waits for a reset.
        mig_mode=mode if mode in ("Enabled", "Disabled") else None,
        lost=f"nvidia-smi says {gone}" if gone else None,
        degraded=f"nvidia-smi says {failing.group()} for some of its values" if failing else None,
    )


def _migs(text: str) -> list[Told]:
    """The instances by card, each card's in one Told."""
    found: list[Told] = []
    shared: dict[tuple[int | None, int | None], int | None] = {}
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if row := _MIG.fullmatch(cells[0]):
            gpu, gi, ci, index = (number(row[n]) for n in range(1, 5))
            memory = _MEMORY.match(cells[1]) if len(cells) > 1 else None
            # Compute instances of one GPU instance share its memory, which stands in the row of the first.
            total = shared.setdefault((gpu, gi), mib(memory[1]) if memory else None)
            device = MigDevice(index=index, gi=gi, ci=ci, vram_total_mib=total)
            found = gather(found, [Told(index=gpu, migs=(device,))])
    return found
