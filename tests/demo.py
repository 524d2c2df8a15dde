"""What `make demo` shows: a host from nothing, converged over SSH, asked a question, converged again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.lab import Lab, LabError

ROOT = Path(__file__).parent.parent
CONVERGE = ["-y", "inventory/lab.py", "--limit", "demo", "deploy.py"]
ASK = """cd /srv/gpufleet && . ./.env && curl -fsS http://127.0.0.1:4000/v1/chat/completions \
  -H "Authorization: Bearer $LITELLM_MASTER_KEY" -H "Content-Type: application/json" \
  -d '{"model": "chat", "messages": [{"role": "user", "content": "ping?"}]}'"""


def say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def pyinfra(*args: str, quiet: bool = False) -> str:
    """What pyinfra prints as its answer; ends the demo if it fails."""
    command = [str(Path(sys.executable).parent / "pyinfra"), *args]
    pipe = subprocess.PIPE if quiet else None
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, check=False)
    if done.returncode:
        raise LabError(f"pyinfra {' '.join(args)} failed\n{done.stderr or ''}")
    return done.stdout or ""


def demo() -> None:
    lab = Lab()
    say("1/4 boot a host (systemd, sshd, dockerd), and what it needs instead of the internet")
    if "demo" in lab.hosts():
        lab.down("demo")
    lab.up({"demo": "cpu"})
    say(f"2/4 pyinfra {' '.join(CONVERGE)}")
    pyinfra(*CONVERGE)
    say("3/4 ask the gateway, with the key that the host made for itself")
    answer = json.loads(lab.run("demo", ASK).stdout)
    print(f"question: ping?\nanswer:  {answer['choices'][0]['message']['content']}")
    say("4/4 the same command again")
    totals = json.loads(pyinfra("--json", *CONVERGE, quiet=True))["results"]["totals"]
    print(f"changed: {totals['success']}, failed: {totals['error']}, unchanged: {totals['no_change']}")
    if totals["success"] or totals["error"]:
        raise LabError("the second run was not to change anything")
    say("Done. Look around: make lab-ssh HOST=demo. End it: make lab-down. Prove it all: make test.")
    print("Your own machines: see README.md, or start with: .venv/bin/python -m gpufleet plan inventory/example.py")


if __name__ == "__main__":
    try:
        demo()
    except LabError as error:
        sys.exit(f"demo: {error}")
