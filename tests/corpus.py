"""Replay recorded hosts through the probe that hosts run, and compare: python tests/corpus.py DIR.

A case is a folder with ``expected.json`` and ``cmd/<command line>`` (what it printed), ``fs/<path>`` (what files held):
the probe runs with ``fs/`` as its root and tools that print what was recorded. Or with ``recording.json``, the fact
gpufleet.facts.gpu.Recording of one host: only the parsers run. A line a difference, exit 1 if any.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from gpufleet.facts.gpu import SECTION
from gpufleet.facts.section import parse, probe
from gpufleet.schema.gpu import Gpus

TOOLS = (
    "nvidia-smi",
    "modinfo",
    "dmesg",
    "journalctl",
    "lspci",
    "rocm-smi",
    "amd-smi",
    "rocminfo",
    "xpu-smi",
    "clinfo",
)
PLAIN = (
    "sh",
    "timeout",
    "sed",
    "head",
    "grep",
    "awk",
    "cat",
    "ls",
    "readlink",
    "tr",
    "sort",
    "id",
    "true",
    "cut",
    "tail",
)
SERVE = Path(__file__).parent / "corpus_tool.py"
COUNTS = {"yes": True, "no": False, "uma": "uma", None: None}


def replay(case: Path, shell: str = "sh") -> Gpus:
    """What the probe says on the host that ``case`` recorded."""
    if (file := case / "recording.json").exists():
        return read(unwrapped(json.loads(file.read_text())))
    return read(printed(case, shell))


def printed(case: Path, shell: str = "sh") -> list[str]:
    """The probe's lines on the host that ``case`` recorded."""
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder)
        for tool in PLAIN:
            if path := shutil.which(tool):
                (tools / tool).symlink_to(path)
        for tool in {name.split()[0] for name in recorded(case)} & set(TOOLS):
            (tools / tool).write_text(f'#!/bin/sh\nexec {sys.executable} {SERVE} "{case / "cmd"}" {tool} "$@"\n')
            (tools / tool).chmod(0o755)
        _lay(case / "fs", tools / "root")
        env = {"PATH": folder, "GPUFLEET_ROOT": f"{folder}/root"}
        program, *applet = shell.split()
        command = [shutil.which(program) or program, *applet, "-c", probe([SECTION])]
        done = subprocess.run(command, env=env, capture_output=True, timeout=300, check=False)
    return done.stdout.decode(errors="replace").splitlines()


def unwrapped(recording: Any) -> list[str]:
    """The lines of the fact's one host, however deep pyinfra has wrapped them."""
    while isinstance(recording, dict):
        if len(recording) != 1:
            raise ValueError(f"recording.json holds {len(recording)} hosts, not one")
        (recording,) = recording.values()
    return [str(line) for line in recording]


def read(lines: list[str]) -> Gpus:
    """What the parsers make of the probe's lines."""
    gpus: Gpus = parse([SECTION], lines)[SECTION.name]
    return gpus


def _lay(source: Path, root: Path) -> None:
    """The recorded files as a root. A link of /sys that was recorded as a file with its target is a link again."""
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        place = root / path.relative_to(source)
        if path.is_dir() and not path.is_symlink():
            place.mkdir(parents=True, exist_ok=True)
            continue
        target = os.readlink(path) if path.is_symlink() else path.read_text(errors="replace")
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or re.fullmatch(r"(\.\./)+\S+\s*", target):
            place.symlink_to(target.strip())
        else:
            place.write_text(target)


def recorded(case: Path) -> list[str]:
    """Command lines that the case has."""
    return sorted(os.listdir(case / "cmd")) if (case / "cmd").is_dir() else []


def differences(expected: dict[str, Any], got: Gpus) -> Iterator[str]:
    """What is stated and is not so. ``null`` states nothing, except for a UUID: a false one is worse than none."""
    if odd := sorted({"gpus"} - expected.keys()):
        yield f"expected.json states no {', '.join(odd)}"
        return
    cards = [{**c.to_json(), "count_for_inference": COUNTS[c.counts]} for c in got.cards]
    if len(cards) != len(expected["gpus"]):
        yield f"{len(cards)} cards instead of {len(expected['gpus'])}"
    for number, (want, have) in enumerate(_pairs(expected["gpus"], cards)):
        for key, value in want.items():
            if (value is not None or key == "uuid") and not _same(value, have.get(key)):
                yield f"card {number} {key}: {have.get(key)!r} instead of {value!r}"
    codes, wanted = sorted({p.code for p in got.problems}), sorted(set(expected.get("problems", [])))
    if codes != wanted:
        yield f"problems: {codes} instead of {wanted}"
    for key in ("driver_version", "cuda_version", "rocm_version"):
        if expected.get(key) not in (None, getattr(got, key)):
            yield f"{key}: {getattr(got, key)!r} instead of {expected[key]!r}"


def _same(want: Any, have: Any) -> bool:
    """Equal; of an inner mapping only what is stated."""
    if isinstance(want, list):
        return isinstance(have, list) and len(want) == len(have) and all(map(_same, want, have))
    if isinstance(want, dict) and isinstance(have, dict):
        return all(v is None or _same(v, have.get(k)) for k, v in want.items())
    return bool(want == have)


def _pairs(
    expected: list[dict[str, Any]], cards: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each expected card with the one of the same address, identifier or index; else with the next that is left."""
    left = list(cards)
    for want in expected:
        match = next(
            (
                c
                for key in ("pci_address", "uuid", "index")
                for c in left
                if want.get(key) not in (None,) and c.get(key) == want[key]
            ),
            None,
        )
        have = match or (left[0] if left else {})
        if have in left:
            left.remove(have)
        yield want, have


def main(folder: str) -> int:
    """Print the differences of every case below ``folder``; 1 if there are any."""
    cases = sorted(p.parent for p in Path(folder).rglob("expected.json"))
    wrong = 0
    for case in cases:
        try:
            found = list(differences(json.loads((case / "expected.json").read_text()), replay(case.resolve())))
        except Exception as error:  # a case that cannot be replayed is a difference, too
            found = [f"{type(error).__name__}: {error}"]
        wrong += bool(found)
        for line in found:
            print(f"{case.relative_to(folder)}: {line}")
    if not cases:
        print(f"no expected.json below {folder}")
    print(f"{len(cases) - wrong} of {len(cases)} cases as expected")
    return 1 if wrong or not cases else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python tests/corpus.py DIR")
    sys.exit(main(sys.argv[1]))
