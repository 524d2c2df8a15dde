"""The lab by hand: `python -m tests.lab up lab1=cpu lab2=rtx4090`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from . import stacks
from .lab import Lab, running
from .nspawn import options
from .shell import LabError


def _up(lab: Lab, words: list[str], seeded: bool) -> None:
    start = time.monotonic()
    for name, host in lab.up(_hosts(words or ["lab1=cpu", "lab2=rtx4090"]), seeded).items():
        print(f"lab: {name} {host.address} {host.profile}")
    print(
        f"lab: up in {time.monotonic() - start:.1f} s; next: .venv/bin/pyinfra inventory/lab.py deploy.py, "
        "make lab-ssh HOST=lab1, make lab-down"
    )


def _hosts(words: list[str], usual: str = "cpu") -> dict[str, str]:
    pairs = (w.partition("=") for w in words)
    return {name: profile or usual for name, _, profile in pairs}


def _ssh(lab: Lab, words: list[str]) -> None:
    if not words or words[0] not in lab.hosts():
        raise LabError(f"name a host: {', '.join(lab.hosts()) or '(none runs; make lab-up)'}")
    terminal = ["-t"] if not words[1:] else []
    os.execvp("ssh", ["ssh", *terminal, *options(), f"root@{lab.hosts()[words[0]].address}", *words[1:]])


def _status(lab: Lab) -> None:
    for name, host in lab.hosts().items():
        print(f"{name} {host.address} {host.profile}")
    for name, runs in running().items():
        print(f"{name}: {'runs' if runs else 'does not run'}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "ssh", "status", "stack", "wipe", "reboot", "mirror"])
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        help="up: NAME=PROFILE[@SUITE][+ENGINE]; stack: STACK, and perhaps such hosts; the others: NAME",
    )
    parser.add_argument("--no-seed", action="store_true", help="hosts pull every image themselves")
    args = parser.parse_args()
    if options := [word for word in args.words if word.startswith("-") and args.command != "ssh"]:
        parser.error(f"{options[0]} is no host's name; options come before the command")
    lab = Lab()
    try:
        match args.command:
            case "up":
                _up(lab, args.words, not args.no_seed)
            case "down":
                print(f"lab: ended {', '.join(lab.down(*args.words)) or 'nothing: nothing of it ran'}")
            case "ssh":
                _ssh(lab, args.words)
            case "status":
                _status(lab)
            case "stack":
                name, *words = args.words or [""]
                return stacks.bring_up(lab, name, _hosts(words, stacks.card(name)))
            case "mirror":
                print("lab: {url}, signed by {fingerprint}".format(**lab.mirror()))
            case "wipe" | "reboot":
                for name in args.words:
                    getattr(lab, args.command)(name)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough, as `| head` does; Python would still try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
