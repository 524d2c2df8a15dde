"""NVIDIA's part of recorded hosts, damaged in every way: it names no other card, and no half a number."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gpufleet.catalog.vendors import nvidia
from tests import corpus_tool
from tests.test_corpus import CASES
from tests.test_nvidia import tool

LABEL = {"xml": "smi", "detail": "smiq", "list": "smil", "csv": "smicsv", "table": "smit", "other": "smitopo"}


def captured(case: Path) -> list[str]:
    """What the probe may print on a recorded host: every answer that was recorded."""
    lines: list[str] = []
    for device in sorted((case / "fs/sys/bus/pci/devices").glob("*/class")):
        row = [(device.parent / key).read_text().strip() for key in ("class", "vendor", "device")]
        lines.append(f"pci {device.parent.name} {' '.join(row)} driver=nvidia")
    for file in sorted((case / "fs/proc/driver/nvidia/gpus").glob("*/information")):
        lines += [f"nvinfo {file.parent.name} {line}" for line in file.read_text().splitlines()]
    for file in sorted((case / "cmd").glob("*")):
        name, *args = file.name.split()
        label = LABEL[corpus_tool.form(name, args)] if name == "nvidia-smi" else "kmod" if name == "modinfo" else name
        lines += tool(label, file.read_text(errors="replace"))
    return lines


def cut(lines: list[str], at: Random) -> list[str]:
    text = "\n".join(lines)
    return text[: at.randrange(len(text) + 1)].splitlines()


def torn(lines: list[str], at: Random) -> list[str]:
    return [line[: at.randrange(len(line) + 1)] if at.random() < 0.05 else line for line in lines]


def dropped(lines: list[str], at: Random) -> list[str]:
    share = at.random()
    return [line for line in lines if at.random() < share]


def doubled(lines: list[str], at: Random) -> list[str]:
    return [line for line in lines for _ in range(at.choice([1, 1, 1, 2]))]


def shuffled(lines: list[str], at: Random) -> list[str]:
    start = at.randrange(len(lines) or 1)
    part = lines[start : start + at.choice([2, 9, len(lines)])]
    return [*lines[:start], *at.sample(part, len(part)), *lines[start + len(part) :]]


def noisy(lines: list[str], at: Random) -> list[str]:
    noise = ["Welcome to gpu-7!", "  New Value : 7 GHz", "<new_value>7</new_value>", "| new | 7MiB | x |", "7, 8"]
    labels = ["", "smi|", "smi!", "smiq|", "smil|", "smicsv|", "smit|", "lspci|", "nvinfo 0000:"]
    more = [[at.choice(labels) + at.choice(noise)] if at.random() < 0.1 else [] for _ in lines]
    return [each for line, others in zip(lines, more, strict=True) for each in (*others, line)]


def from_windows(lines: list[str], at: Random) -> list[str]:
    return [line + "\r" for line in lines]


def translated(lines: list[str], at: Random) -> list[str]:
    words = {"Enabled": "Aktiviert", "Not Supported": "Nicht unterst\u00fctzt", "Product Name": "Produktname"}
    text = "\n".join(lines)
    for word, other in words.items():
        text = text.replace(word, other)
    return [re.sub("(?<=[0-9])[.](?=[0-9])", ",", x) if x.startswith("smi") else x for x in text.splitlines()]


def hung(lines: list[str], at: Random) -> list[str]:
    label = at.choice(["smi", "smiq", "smil", "smicsv", "smit", "lspci", "dmesg"])
    return [*(line for line in lines if not re.match(rf"{label}[|!#]", line)), f"{label}#124"]


HOSTS = [lines for case in CASES if nvidia.parse(lines := captured(case)).cards]
MUTATIONS = [cut, torn, dropped, doubled, shuffled, noisy, from_windows, translated, hung]


@settings(max_examples=700)
@given(st.sampled_from(HOSTS), st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=2), st.integers(0, 2**32))
def test_a_mutilated_capture_names_no_other_card(whole: list[str], how: list[Any], seed: int) -> None:
    known, lines, at = nvidia.parse(whole), whole, Random(seed)
    for mutate in how:
        lines = mutate(lines, at)
    got = nvidia.parse(lines).cards
    # A lost card's address stands among the problems where it is not known which card that is.
    assert {c.pci_address for c in got} <= {c.pci_address for c in known.cards} | {p.card for p in known.problems} | {
        None
    }
    assert {c.uuid for c in got} <= {c.uuid for c in known.cards} | {None}
    assert all(c.pci_address or c.uuid or c.index is not None for c in got)
    # Neither the bus nor the tool shows more of them. Where the text that joins the two is gone, a card may be two.
    assert sum(c.pci_address is not None for c in got) <= len(known.cards)
    assert sum(c.uuid is not None or c.index is not None for c in got) <= len(known.cards)


@settings(max_examples=200)
@given(st.sampled_from(HOSTS), st.integers(0, 2**32))
def test_a_cut_capture_has_no_half_a_number(whole: list[str], seed: int) -> None:
    known, got = nvidia.parse(whole).cards, nvidia.parse(cut(whole, Random(seed))).cards
    assert {c.vram_total_mib for c in got} <= {c.vram_total_mib for c in known} | {None}
