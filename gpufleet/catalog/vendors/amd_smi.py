"""What amd-smi prints of its cards under `static`, `list` and `metric`, as JSON and as text."""

from __future__ import annotations

import re
from typing import Any

from .amd_told import Told, address, chip, gfx, name, number, uuid, uuid_chip
from .rocm_smi import json_after_noise


def from_json(text: str) -> list[Told]:
    """Cards from `amd-smi static --json`; the root is a list before ROCm 7, ``{"gpu_data": [...]}`` since.

    Of a report that is cut, what is whole; that the tool answered is then not said.
    """
    told = json_after_noise(text)
    cards = told.get("gpu_data") if isinstance(told, dict) else told
    if isinstance(cards, list):
        return [
            _card(card, "amd-smi") for card in cards if isinstance(card, dict) and number(card.get("gpu")) is not None
        ]
    return [_card(card, None) for card in _salvaged(text)]


def _card(card: dict[str, Any], answered: str | None) -> Told:
    """A card's entry. It says MB and means MiB; a name may be cut in front, a board's is then better.

    Before ROCm 6.1 a section's name stands before some of its keys.
    """
    parts = {key: value for key, value in card.items() if isinstance(value, dict)}
    sections = ("asic", "bus", "vram", "mem_usage", "driver")
    asic, bus, vram, memory, driver = (parts.get(key, {}) for key in sections)
    called, board = name(asic.get("market_name")), name(parts.get("board", {}).get("product_name"))
    own = card.get("uuid")
    return Told(
        index=number(card.get("gpu")),
        address=address(bus.get("bdf") or card.get("bdf")),
        node=number(card.get("node_id")),
        uuid=uuid(asic.get("asic_serial")) or uuid(own),
        pci_id=chip(asic.get("device_id")) or uuid_chip(own),
        gfx=gfx(asic.get("target_graphics_version")),
        name=board if board and (called is None or called.startswith("...")) else called,
        total=_mib(vram.get("size", vram.get("vram_size_mb"))) or _mib(memory.get("total_vram")),
        free=_mib(memory.get("free_vram")),
        driver="amdgpu",
        version=name(driver.get("version", driver.get("driver_version"))),
        answered=answered,
    )


def _mib(size: Any) -> int | None:
    """``{"value": 8176, "unit": "MB"}``, ``8176`` or ``8176 MB``."""
    plain = size.get("value") if isinstance(size, dict) else size
    return number(str(plain).removesuffix(" MB")) or None


def _salvaged(text: str) -> list[dict[str, Any]]:
    """Each card's first values from a report without its end; a value without its end is none."""
    found = []
    for block in re.split(r'(?="gpu":\s*[0-9])', text)[1:]:
        values = re.findall(r'"([a-z_]+)":\s*(?:"([^"\n]*)"|([0-9]+)(?=\s*[,\n]))', block)
        pairs: dict[str, Any] = {}
        for key, quoted, bare in values:
            pairs.setdefault(key, quoted or bare)
        found.append(pairs | {"asic": pairs, "bus": pairs} if "gpu" in pairs else {})
    return [card for card in found if card]


def from_text(text: str) -> list[Told]:
    """Cards from `amd-smi static`: sections below each card, or values alone under `amd-smi list`."""
    cards: list[dict[str, Any]] = []
    section: dict[str, Any] = {}
    for line in text.splitlines():
        if head := re.fullmatch(r"GPU: ([0-9]{1,4})\s*", line):
            section = {"gpu": head[1]}
            cards.append(section)
        elif cards and (pair := re.fullmatch(r"( {4}| {8})([A-Z_]+):(?: (.*))?", line)):
            _place(cards[-1], section, *pair.groups())
            section = cards[-1].get(pair[2].lower(), section) if pair[3] is None and len(pair[1]) == 4 else section
    return [_card(card, "amd-smi") for card in cards]


def _place(card: dict[str, Any], section: dict[str, Any], indent: str, key: str, value: str | None) -> None:
    """A value of the card, or of its section; a key without a value begins a section."""
    if len(indent) == 4:
        card.setdefault(key.lower(), {} if value is None else value.strip())
    elif value is not None:
        section.setdefault(key.lower(), value.strip())
