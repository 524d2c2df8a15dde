"""Gates: published ports answer over HTTP, asked from the control machine through the SSH connection.

By way of SSH a port that listens on the host's loopback alone, or behind a firewall, is asked just the same.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import gevent
from pyinfra.api.host import Host

from ..schema import Gate, Plan

DEADLINE = 30  # seconds: the container's own healthcheck has passed already


@dataclass(frozen=True)
class Closed:
    """A gate that did not open."""

    service: str
    complaint: str


def closed(host: Host, plan: Plan) -> list[Closed]:
    """The gates of what is published that did not open in time."""
    shared = {x.service: (plan.address, x.port) for x in plan.fleet.shares}
    at = {s.name: (plan.bind, s.publish) if s.publish else shared.get(s.name) for s in plan.services}
    asked = ((s.name, told, _ask(host, *told, s.gate)) for s in plan.services if s.gate and (told := at[s.name]))
    return [
        Closed(name, f"services/{name}: port {told[1]}: {what}; its last lines follow")
        for name, told, what in asked
        if what
    ]


def _ask(host: Host, bind: str, port: int, gate: Gate) -> str | None:
    """What is wrong with the answer; None: it is the wanted one."""
    import httpx  # costs 80 ms, and most runs have no gate to ask

    answer, until = "no answer", time.monotonic() + DEADLINE
    while time.monotonic() < until:
        try:
            with reach(host, bind, port) as base:
                status = httpx.get(f"{base}{gate.path}", timeout=10, trust_env=False).status_code
            if status == gate.status:
                return None
            answer = f"HTTP {status}"
        except Exception as error:  # whatever a broken port, tunnel or server does means the same: not open yet
            answer = type(error).__name__
        time.sleep(1)
    return f"{gate.path} gives {answer} instead of HTTP {gate.status}"


@contextmanager
def reach(host: Host, bind: str, port: int) -> Iterator[str]:
    """The base URL of a port on the host, through the SSH connection where there is one."""
    address = "127.0.0.1" if bind == "0.0.0.0" else bind
    client: Any = getattr(host.connector, "client", None)
    if client is None:
        yield f"http://{address}:{port}"
        return
    channel = client.get_transport().open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=10)
    with socket.create_server(("127.0.0.1", 0)) as server:
        pumps = [gevent.spawn(_serve, server, channel)]
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            channel.close()
            gevent.killall(pumps)


def _serve(server: socket.socket, channel: Any) -> None:
    """Join the first connection to the channel, both ways."""
    connection, _ = server.accept()
    with connection:
        gevent.joinall([gevent.spawn(_pump, connection, channel), gevent.spawn(_pump, channel, connection)], count=1)


def _pump(source: Any, sink: Any) -> None:
    with suppress(OSError, EOFError):  # the other direction has ended, and closed both
        while data := source.recv(65536):
            sink.sendall(data)
