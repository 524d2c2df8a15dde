"""What a run with nothing to do costs: in remote commands, and against `pyinfra INVENTORY exec -- true`.

Boots a host of the lab with a (simulated) card, converges it, measures, and takes it down again.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.lab import Lab

ROOT = Path(__file__).parent.parent
PYINFRA = str(Path(sys.executable).parent / "pyinfra")
HOST = "bench"
RUNS = {
    "exec -- true": ["inventory/lab.py", "--limit", HOST, "exec", "--", "true"],
    "deploy.py -y": ["-y", "inventory/lab.py", "--limit", HOST, "deploy.py"],
    "deploy.py --dry": ["--dry", "inventory/lab.py", "--limit", HOST, "deploy.py"],
}


def run(args: list[str]) -> tuple[float, str]:
    """Seconds, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [PYINFRA, *args], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - start, done.stdout + done.stderr


def main() -> None:
    lab = Lab()
    lab.up({HOST: "rtx4090"})
    try:
        measure()
    finally:
        lab.down(HOST)


def measure() -> None:
    run(RUNS["deploy.py -y"])
    times: dict[str, list[float]] = {name: [] for name in RUNS}
    for _ in range(7):  # in turn, so that a slow moment strikes all alike
        for name, args in RUNS.items():
            times[name].append(run(args)[0])
    base = statistics.median(times["exec -- true"])
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{name:<18} median {middle:.2f} s ({min(values):.2f} to {max(values):.2f}), {middle / base:.2f}x")
    _, output = run(["-vvv", *RUNS["deploy.py -y"]])
    print(f"remote commands of deploy.py -y with nothing to do: {output.count('>>> ')}")


if __name__ == "__main__":
    main()
