"""What rocm-smi prints: JSON, csv and two texts, with other keys in every release."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from typing import Any

from .amd_told import Told, address, chip, gfx, mib, name, number, uuid

# Its words in lower case, in the order in which they are believed.
_WORDS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("pci bus", "address", address),
    ("device id", "pci_id", chip),
    ("gpu id", "pci_id", chip),
    ("card model", "pci_id", chip),
    ("unique id", "uuid", uuid),
    ("card series", "name", name),
    ("device name", "name", name),
    ("gfx version", "gfx", gfx),
    ("node id", "node", number),
    ("vram total memory (b)", "total", mib),
    ("gtt total memory (b)", "gtt", mib),
)


def from_json(text: str) -> tuple[list[Told], str | None]:
    """Cards and the driver's version from `rocm-smi ... --json`. What is no `card<N>` stands beside the cards."""
    told = json_after_noise(text)
    if not isinstance(told, dict):
        return [], None
    cards = [(int(m[1]), v) for k, v in told.items() if isinstance(v, dict) and (m := _CARD.fullmatch(k))]
    system = told.get("system")
    version = _lower(system).get("driver version") if isinstance(system, dict) else None
    return [_card(index, _lower(entry)) for index, entry in sorted(cards, key=lambda c: c[0])], name(version)


_CARD = re.compile("card([0-9]{1,4})")


def json_after_noise(text: str) -> Any:
    """The first JSON value in ``text``; None where it is cut or missing. Inner ones do not begin a line."""
    starts = [m.start() for m in re.finditer(r"^[\[{]", text, re.MULTILINE)] or [
        m.start() for m in [re.search(r"[\[{]", text)] if m
    ]
    for start in starts:
        try:
            return json.JSONDecoder().raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
    return None


def _lower(entry: dict[str, Any]) -> dict[str, str]:
    return {key.lower(): str(value) for key, value in entry.items()}


def _card(index: int, words: dict[str, str]) -> Told:
    """A card's entry. ``card model`` was the board's id, not the chip's, before ROCm 6.1."""
    new = "gfx version" in words or "subsystem id" in words
    said: dict[str, Any] = {}
    for word, field, read in _WORDS:
        if said.get(field) is None and word in words and (new or word != "card model"):
            said[field] = read(words[word])
    total, used = (number(words.get(f"vram total {what} (b)")) for what in ("memory", "used memory"))
    if total and used is not None and total >= used:
        said["free"] = (total - used) >> 20
    return Told(index=index, driver="amdgpu", answered="rocm-smi", **said)


def from_csv(text: str) -> list[Told]:
    """Cards from `rocm-smi ... --csv`."""
    lines = [line for line in text.splitlines() if "," in line]
    start = next((n for n, line in enumerate(lines) if line.startswith("device,")), len(lines))
    try:
        rows = [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in csv.DictReader(lines[start:])]
    except csv.Error:
        return []
    return [_card(int(m[1]), _lower(row)) for row in rows if (m := _CARD.fullmatch(row.get("device", "")))]


_LINE = re.compile(
    r"^GPU\[([0-9]{1,4})\]\s*: *((?:PCI Bus|Device ID|GPU ID|Card [Mm]odel|Unique ID|Card [Ss]eries|Device Name"
    r"|GFX Version|Node ID|Subsystem ID|(?:VRAM|GTT|vram|gtt) Total (?:Used )?Memory \(B\))) *:(.*)$",
    re.MULTILINE,
)
# A row of the table: device, then node and ids, or [model : revision], or the temperature.
_ROW = re.compile(
    r"^([0-9]{1,4})[ \t]+(?:\[|([0-9]{1,4})[ \t]+(0x[0-9a-f]{4}),|[0-9.,]+°?[cC]\s|N/A\s)(?:.*\n[ \t]{4,}(\S.*))?",
    re.MULTILINE,
)


def from_text(text: str) -> tuple[list[Told], str | None]:
    """Cards and the driver's version from any of its texts: ``GPU[0] : key: value`` lines, or the table."""
    said: dict[int, dict[str, str]] = {int(n): {} for n in re.findall(r"^GPU\[([0-9]{1,4})\]", text, re.MULTILINE)}
    for index, key, value in _LINE.findall(text):
        said[int(index)].setdefault(key.lower(), value.strip())
    for index, node, chip_, below in _ROW.findall(text):
        row = {"node id": node, "device id": chip_, "card series": re.split(r"\s{2,}", below)[0]}
        said[int(index)] = {k: v for k, v in row.items() if v} | said.get(int(index), {})
    version = re.search(r"^Driver version: (\S+)", text, re.MULTILINE)
    return [_card(index, words) for index, words in sorted(said.items())], version[1] if version else None
