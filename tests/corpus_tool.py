"""Fake: a tool of a recorded host. corpus_tool.py CMD_FOLDER TOOL ARGS... prints what the tool printed there.

An exactly recorded command line first; else whatever was recorded of the same tool in the same format, as a probe may
ask for more or fewer fields than the person did who made the capture.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def form(tool: str, args: list[str]) -> str:
    """The format that these arguments ask for; two of the same form are interchangeable."""
    line = " ".join(args)
    if tool == "nvidia-smi":
        rules = {"xml": r"-x\b", "csv": r"--query-gpu", "list": r"-L\b", "detail": r"^(-q|-a)\b", "other": r"\S"}
        return next((name for name, rule in rules.items() if re.search(rule, line)), "table")
    return next(
        (name for name in ("json", "csv") if re.search(rf"(--{name}\b|-j\b)" if name == "json" else r"--csv\b", line)),
        "text",
    )


def same(tool: str, asked: list[str], recorded: str) -> bool:
    """Whether a recorded command line answers what is asked."""
    words = recorded.split("|")[0].split("(")[0].split()
    if words[0] != tool:
        return False
    if tool in ("lspci", "dmesg", "journalctl"):
        return True
    return words[1:] == asked or form(tool, words[1:]) == form(tool, asked) != "other"


def numeric(text: str) -> str:
    """`lspci -vmmn` as the `lspci -n` lines that say the same."""
    if not text.startswith("Slot:"):
        return text
    rows = [dict(line.split(":\t", 1) for line in block.splitlines() if ":\t" in line) for block in text.split("\n\n")]
    return "".join(f"{r['Slot']} {r['Class']}: {r['Vendor']}:{r['Device']}\n" for r in rows if "Device" in r)


def main(folder: Path, tool: str, args: list[str]) -> int:
    names = sorted(p.name for p in folder.iterdir())
    exact = [n for n in names if n.split() == [tool, *args]]
    found = exact or [n for n in names if same(tool, args, n)]
    if not found:
        print(f"{tool}: not recorded: {' '.join(args)}", file=sys.stderr)
        return 2
    text = "\n".join(
        (folder / n).read_text(errors="replace") for n in (found if form(tool, args) == "text" else found[:1])
    )
    sys.stdout.write(numeric(text) if tool == "lspci" else text)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
