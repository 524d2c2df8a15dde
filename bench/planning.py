"""Planning 10,000 hosts of two cards and 20 services. Baseline: reading the facts of the same hosts from JSON."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from gpufleet.plan import plan, want
from gpufleet.schema import HostFacts, read

HOSTS, SERVICES = 10_000, 20
CATALOG = Path(__file__).parent.parent / "tests" / "cases" / "catalog"
SYSTEM = {"distro": "debian", "distro_version": "13", "arch": "x86_64", "uid": 0, "memory_mib": 128_000}
ENGINE = {"version": "28.5.2", "compose_version": "2.40.3", "reachable": True, "cdi_devices": ["nvidia.com/gpu=0"]}


def card(number: int, mib: int) -> dict[str, Any]:
    return {
        "vendor": "nvidia", "name": "card", "uuid": f"GPU-{number}", "pci_address": f"0000:0{number + 1}:00.0",
        "pci_id": "10de:2684", "vram_total_mib": mib, "vram_source": "driver", "usable": True, "counts": "yes",
    }  # fmt: skip


def facts(host: int) -> str:
    """A host as JSON; no two neighbours have the same cards."""
    cards = [card(0, 24_000 + host % 997), card(1, 48_000 + host % 991)]
    return json.dumps({"system": SYSTEM, "engine": ENGINE, "gpus": {"cards": cards}})


def stack() -> dict[str, Any]:
    """Three engines, and programs without a card."""
    engine = {"service": "ollama", "models": ["chat"], "options": {"parallel": 1}}
    services: dict[str, Any] = {"one": engine, "two": engine, "study": {"service": "vllm", "model": "chat"}}
    services |= {f"web{i}": {"service": "web"} for i in range(SERVICES - len(services))}
    return {"title": "many", "models": {"chat": "llama-8b"}, "services": services}


def milliseconds(work: Callable[[int], object]) -> float:
    """CPU time of each."""
    start = time.process_time()
    for host in range(HOSTS):
        work(host)
    return (time.process_time() - start) / HOSTS * 1e3


def main() -> None:

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "many.yaml"
        file.write_text(yaml.safe_dump(stack()))
        wanted = want(["all", "dual_gpu"], {"stack": str(file), "catalog": str(CATALOG)})
    hosts = [facts(host) for host in range(HOSTS)]
    first = plan("warm", wanted, read(HostFacts, json.loads(hosts[0]), "host"))
    assert len(first.services) == SERVICES
    assert not first.blocked
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading = milliseconds(lambda host: read(HostFacts, json.loads(hosts[host]), "host"))
    both = milliseconds(lambda host: plan(f"host{host}", wanted, read(HostFacts, json.loads(hosts[host]), "host")))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    planning = both - reading
    print(f"planning {planning:.2f} ms a host, reading its facts {reading:.3f} ms: {planning / reading:.0f} x")
    print(f"memory grew by {grown} MiB over {HOSTS} hosts")


if __name__ == "__main__":
    main()
