"""What host to host gives of a file, against a plain copy by HTTP between the same two hosts in the same run.

Boots two hosts of the lab with a wire of 1 Gbit/s, and takes them down again. Ours reads every byte once more.
"""

from __future__ import annotations

import json
import statistics
import time

from gpufleet.deploys.script import script
from tests.lab import Lab
from tests.lab.seed import fetcher_build
from tests.lab.shell import run, until

GIVER, TAKER = "give1", "take1"
MIB = 1536
ROOT, MODELS = "/srv/gpufleet", "/srv/gpufleet/models"


def main() -> None:
    lab = Lab()
    lab.up({GIVER: "cpu", TAKER: "cpu"})
    try:
        measure(lab)
    finally:
        lab.down(GIVER, TAKER)


def measure(lab: Lab) -> None:
    digest, address = furnish(lab), lab.hosts()[GIVER].address
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(5):  # in turn, so that a slow moment strikes both alike
        plain.append(seconds(lab, f"curl -fsS -o {MODELS}/plain http://{address}:9000/m && sync {MODELS}/plain"))
        ours.append(seconds(lab, taking(address, digest)))
        lab.run(TAKER, f"rm -rf {MODELS}/plain {MODELS}/m {MODELS}/.verified {MODELS}/.incoming")
    rate = MIB * 1.048576 / statistics.median(plain)
    print("seconds:", *(f"{a:.1f} {b:.1f}," for a, b in zip(plain, ours, strict=True)))
    print(f"plain copy: {rate:.0f} MB/s; ours: {statistics.median(plain) / statistics.median(ours):.0%} of that")


def furnish(lab: Lab) -> str:
    """The file at the giver, both ways to it, and the wire; its digest."""
    image = fetcher_build().image
    for host in (GIVER, TAKER):
        # So long a queue that nothing is dropped: what waits for a lost packet would be measured.
        run("tc", "qdisc", "add", "dev", f"gfl-{host}", "root", *"tbf rate 1gbit burst 1mb latency 2s".split())  # noqa: SIM905
        lab.run(host, f"mkdir -p {MODELS}; touch {ROOT}/.env")
    lab.run(GIVER, f"head -c {MIB}M /dev/urandom >{MODELS}/m")
    digest = lab.run(GIVER, f"sha256sum <{MODELS}/m").stdout.split()[0]
    lab.run(GIVER, f"echo sha256:{digest} $(stat -c '%s %.9Y %i' {MODELS}/m) m >{MODELS}/.verified")
    told = {"root": ROOT, "image": image, "address": "", "port": 7878, "word": "bench"}
    lab.run(GIVER, script("offer", **told))
    server = f"docker run -d --network host -v {MODELS}:/m:ro --entrypoint python3 {image} -m http.server 9000 -d /m"
    lab.run(GIVER, server)
    until("the plain server", lambda: lab.run(GIVER, "curl -fsI localhost:9000", check=False).returncode == 0, 30)
    return digest


def taking(address: str, digest: str) -> str:
    """The command that takes the file as a run does."""
    file = {"path": "m", "part": f".incoming/{digest}", "bytes": MIB << 20, "digest": f"sha256:{digest}"}
    file |= {"urls": [f"http://{address}:7878/bench/{digest}", "http://127.0.0.1:9/none"]}
    times = {"stall": 30, "tries": 3, "pause": 1, "every": 60}
    job = {"root": "/models", "endpoint": "http://127.0.0.1:9", "reserve": 0, **times, "files": [file]}
    return script("fetch", root=ROOT, image=fetcher_build().image, folders="", job=json.dumps(job))


def seconds(lab: Lab, command: str) -> float:
    start = time.perf_counter()
    lab.run(TAKER, command)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
