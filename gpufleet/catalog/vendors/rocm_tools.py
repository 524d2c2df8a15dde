"""What AMD's tools print, as one shape: a mapping of Gpu's fields for each card, in the tool's order.

rocm-smi's keys changed with every release and its JSON is not ordered; amd-smi's root is a list before ROCm 7
and ``{"gpu_data": [...]}`` since; rocminfo lists processors beside cards.
All of them print ``N/A`` where they know nothing.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from .pci import normal

Told = dict[str, Any]


def uuid(text: str | None) -> str | None:
    """``GPU-`` and 16 hex digits; None for what is no identifier.

    >>> uuid("0x4edfb117a17a07d"), uuid("GPU-XX"), uuid("0xffffffffffffffff"), uuid("N/A")
    ('GPU-04edfb117a17a07d', None, None, None)
    """
    found = re.fullmatch(r"(?:GPU-|0x)?([0-9a-fA-F]{1,16})", (text or "").strip())
    digits = found[1].lower().zfill(16) if found else ""
    return f"GPU-{digits}" if digits.strip("0") and digits.strip("f") else None


def number(text: Any, base: int = 10) -> int | None:
    """A whole number in a tool's text; None for anything else."""
    found = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{1,20}|[0-9]{1,20})", str(text).strip())
    try:
        return int(found[1], base) if found else None
    except ValueError:
        return None


def name(text: Any) -> str | None:
    """A product's name; None for the numbers that old tools print in its place."""
    plain = str(text or "").strip()
    return plain if plain and plain != "N/A" and not re.fullmatch(r"0x[0-9a-fA-F]+", plain) else None


def _address(text: str) -> str | None:
    found = re.search(r"(?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]", text)
    return normal(found.group()) if found else None


def _chip(text: str) -> str | None:
    found = re.fullmatch(r"0x([0-9a-fA-F]{4})", text.strip())
    return f"1002:{found[1].lower()}" if found and found[1] != "1002" else None


def _gfx(text: str) -> str | None:
    found = re.search(r"gfx[0-9a-f]{3,5}", text)
    return found.group() if found else None


def _bytes(text: str) -> int | None:
    size = number(text)
    return None if size is None else size >> 20


# rocm-smi's words, in lower case, in the order in which they are believed.
WORDS: list[tuple[str, str, Callable[[str], Any]]] = [
    ("pci bus", "pci_address", _address),
    ("device id", "pci_id", _chip),
    ("gpu id", "pci_id", _chip),
    ("card model", "pci_id", _chip),
    ("unique id", "uuid", uuid),
    ("card series", "name", name),
    ("device name", "name", name),
    ("gfx version", "gfx_target", _gfx),
    ("node id", "kfd_node", number),
    ("vram total memory (b)", "vram_total_mib", _bytes),
]


def _words(found: dict[str, str]) -> Told:
    """Gpu's fields from a card's entry; ``card model`` was the board's id, not the chip's, before ROCm 6.1."""
    told: Told = {}
    for word, field, read in WORDS:
        if word == "card model" and ("gpu id" in found or "device id" in found or not _new(found)):
            continue
        if told.get(field) is None and (value := read(found.get(word, ""))) is not None:
            told[field] = value
    total, used = number(found.get("vram total memory (b)", "")), number(found.get("vram total used memory (b)", ""))
    if total is not None and used is not None and total >= used:
        told["vram_free_mib"] = (total - used) >> 20
    return told


def _new(found: dict[str, str]) -> bool:
    return "gfx version" in found or "subsystem id" in found


def json_after_noise(text: str) -> Any:
    """The first JSON value in ``text``; None where it is cut or missing."""
    start = re.search(r"[\[{]", text)
    try:
        return json.JSONDecoder().raw_decode(text[start.start() :])[0] if start else None
    except (ValueError, RecursionError):
        return None


def rocm_smi_json(text: str) -> tuple[list[Told], str | None]:
    """Cards and the driver's version from `rocm-smi ... --json`."""
    told = json_after_noise(text)
    if not isinstance(told, dict):
        return [], None
    cards = sorted(
        (int(m[1]), entry)
        for key, entry in told.items()
        if isinstance(entry, dict) and (m := re.fullmatch(r"card([0-9]{1,4})", key))
    ) if all(isinstance(k, str) for k in told) else []  # fmt: skip
    system = told.get("system")
    version = system.get("Driver version") if isinstance(system, dict) else None
    return [{"index": i, **_words(_lower(entry))} for i, entry in cards], name(version)


def _lower(entry: dict[str, Any]) -> dict[str, str]:
    return {key.lower(): str(value) for key, value in entry.items()}


def rocm_smi_csv(text: str) -> list[Told]:
    """Cards from `rocm-smi ... --csv`."""
    lines = [line for line in text.splitlines() if "," in line]
    rows = csv.DictReader(lines[next((i for i, x in enumerate(lines) if x.startswith("device,")), len(lines)) :])
    usual = [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in rows]
    cards = [(m[1], row) for row in usual if (m := re.fullmatch(r"card([0-9]{1,4})", row.get("device", "")))]
    return [{"index": int(i), **_words(_lower(row))} for i, row in cards]


def rocm_smi_text(text: str) -> tuple[list[Told], str | None]:
    """Cards and the driver's version from any of rocm-smi's texts: ``GPU[0] : key: value`` lines, or the table."""
    found: dict[int, dict[str, str]] = {}
    for index, key, value in re.findall(r"^GPU\[([0-9]{1,4})\]\s*: ([^:\n]+): (.*)$", text, re.MULTILINE):
        found.setdefault(int(index), {}).setdefault(key.strip().lower(), value.strip())
    told = {i: {"index": i, **_words(words)} for i, words in found.items()}
    lines = text.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=False):
        if row := re.match(r"([0-9]{1,4})\s+(?:\[|[0-9]+\s+0x|[0-9.]+c\s|N/A\s)", line):
            card = told.setdefault(int(row[1]), {"index": int(row[1])})
            if re.match(r"\s{4,}\S", below) and (called := name(re.split(r"\s{2,}", below.strip())[0])):
                card.setdefault("name", called)
    version = re.search(r"^Driver version: (\S+)", text, re.MULTILINE)
    return [told[i] for i in sorted(told)], version[1] if version else None


def amd_smi_json(text: str) -> list[Told]:
    """Cards from `amd-smi static --json`; of a report that is cut, what is whole of its cards."""
    told = json_after_noise(text)
    cards = told.get("gpu_data") if isinstance(told, dict) else told
    if isinstance(cards, list):
        return [_static(card) for card in cards if isinstance(card, dict) and number(card.get("gpu")) is not None]
    return _salvaged(text)


def _static(card: dict[str, Any]) -> Told:
    parts = {key: value if isinstance(value, dict) else {} for key, value in card.items()}
    asic, driver = parts.get("asic", {}), parts.get("driver", {})
    size = parts.get("vram", {}).get("size")
    mib = number(size.get("value") if isinstance(size, dict) else size)
    said = {
        "index": number(card.get("gpu")),
        "name": name(asic.get("market_name")),
        "pci_address": _address(str(parts.get("bus", {}).get("bdf"))),
        "pci_id": _chip(str(asic.get("device_id"))),
        "uuid": uuid(str(asic.get("asic_serial"))),
        "gfx_target": _gfx(str(asic.get("target_graphics_version"))),
        "vram_total_mib": mib,
        "driver_version": name(driver.get("version")),
    }
    return {key: value for key, value in said.items() if value is not None}


def _salvaged(text: str) -> list[Told]:
    """Each card's first lines from a report without its end."""
    found: list[Told] = []
    for block in re.split(r'(?="gpu":\s*[0-9])', text)[1:]:
        pairs = dict(re.findall(r'"([a-z_]+)":\s*"?([^",\n{\[]+)"?', block))
        card = {"gpu": pairs.get("gpu"), "asic": pairs, "bus": pairs}
        found.append(_static(card))
    return found


def amd_smi_text(text: str) -> list[Told]:
    """Cards from `amd-smi static`."""
    cards: list[dict[str, Any]] = []
    section = ""
    for line in text.splitlines():
        if head := re.fullmatch(r"GPU: ([0-9]{1,4})\s*", line):
            cards.append({"gpu": head[1]})
        elif cards and (part := re.fullmatch(r"    ([A-Z_]+):\s*", line)):
            section = part[1].lower()
        elif cards and (pair := re.fullmatch(r"\s{8}([A-Z_]+): (.*)", line)):
            value = pair[2].strip()
            cards[-1].setdefault(section, {})[pair[1].lower()] = value.split()[0] if pair[1] == "SIZE" else value
    return [_static(card) for card in cards]


def rocminfo(text: str) -> list[Told]:
    """Cards from `rocminfo`: its agents that are no processors. The first coarse pool, KiB, is the memory."""
    return [told for agent in _agents(text) if (told := _agent(agent))]


def _agents(text: str) -> Iterable[dict[str, str]]:
    for block in re.split(r"^Agent [0-9]+\s*$", text, flags=re.MULTILINE)[1:]:
        agent: dict[str, str] = {}
        for key, value in re.findall(r"^  ([A-Z][A-Za-z ]+):\s+(\S.*?)\s*$", block, re.MULTILINE):
            agent.setdefault(key, value)
        pool = re.search(r"Segment:\s+GLOBAL; FLAGS: COARSE.*\n\s+Size:\s+([0-9]{1,15})", block)
        yield {**agent, "pool": pool[1] if pool else ""}


def _agent(agent: dict[str, str]) -> Told | None:
    if agent.get("Device Type") != "GPU" and not (agent.get("Name", "").startswith("gfx")):
        return None
    place, pool, chip = (
        number(agent.get("BDFID")),
        number(agent.get("pool")),
        re.search("0x[0-9a-f]+", agent.get("Chip ID", "")),
    )
    said = {
        "kfd_node": number(agent.get("Node")),
        "name": name(agent.get("Marketing Name")),
        "uuid": uuid(agent.get("Uuid")),
        "gfx_target": _gfx(agent.get("Name", "")),
        "pci_address": f"0000:{place >> 8 & 255:02x}:{place >> 3 & 31:02x}.{place & 7}" if place else None,
        "pci_id": _chip(chip.group()) if chip else None,
        "vram_total_mib": pool >> 10 if pool else None,
    }
    return {key: value for key, value in said.items() if value is not None}
