"""Network namespaces: one a host, joined by a bridge. No host has a route beyond it."""

from __future__ import annotations

from pathlib import Path

from .paths import BRIDGE, GATEWAY, HOME
from .shell import LabError, run


def namespace(name: str) -> Path:
    return Path(f"/run/netns/gfl-{name}")


def up_bridge() -> None:
    """The bridge with the machine's own address. It is marked as ours: two labs would share addresses and names."""
    mark = Path(f"/sys/class/net/{BRIDGE}/ifalias")
    if not mark.exists():
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "link", "set", BRIDGE, "alias", HOME)
    elif (owner := mark.read_text().strip()) != str(HOME):
        raise LabError(f"the lab of {owner} is up; end it first: GPUFLEET_LAB={owner} make lab-down")
    run("ip", "address", "replace", f"{GATEWAY}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


def join(name: str, address: str) -> None:
    """A network namespace with one interface on the bridge."""
    inside = ("ip", "-n", f"gfl-{name}")
    run("ip", "netns", "add", f"gfl-{name}")
    run("ip", "link", "add", f"gfl-{name}", "type", "veth", "peer", "name", "host0", "netns", f"gfl-{name}")
    run("ip", "link", "set", f"gfl-{name}", "master", BRIDGE, "up")
    # The same hardware address for the same address: the neighbours of a host made anew need not forget the old one.
    hardware = "02:00:" + ":".join(f"{int(n):02x}" for n in address.split("."))
    run(*inside, "link", "set", "host0", "address", hardware)
    run(*inside, "address", "add", f"{address}/24", "dev", "host0")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "link", "set", "host0", "up")


def processes(name: str) -> list[int]:
    """Processes in the host's namespace: its own first one among them, whose end is the end of all the others."""
    return [int(pid) for pid in run("ip", "netns", "pids", f"gfl-{name}", check=False).split()]


def leave(name: str) -> None:
    run("ip", "link", "delete", f"gfl-{name}", check=False)
    run("ip", "netns", "delete", f"gfl-{name}", check=False)


def link(name: str, up: bool) -> None:
    """Plug or unplug a host's cable."""
    run("ip", "link", "set", f"gfl-{name}", "up" if up else "down")


def down_bridge() -> None:
    run("ip", "link", "delete", BRIDGE, check=False)


def leftovers() -> list[str]:
    """Hosts whose namespaces are still there."""
    return [line.split()[0][4:] for line in run("ip", "netns", "list").splitlines() if line.startswith("gfl-")]
