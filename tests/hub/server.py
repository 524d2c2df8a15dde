"""The Hub over HTTP: requests in, answers out, faults on the way, and a log of what was really sent."""

from __future__ import annotations

import io
import json
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .answer import Answer, refused, told
from .api import Asked, answer
from .faults import Fault, Faults, Kind, matches

BLOCK = 1 << 16
FLIPPED = bytes(255 - byte for byte in range(256))
# Clients ask these of themselves, and not every day: counted, they would make tests depend on the day.
NOT_LOGGED = ("/api/agent-harnesses", "/v1/telemetry")


@dataclass
class Request:
    """A request of the log: whether it had a token, and the bytes of the body that the server ``sent``.

    What the network then lost counts, too: a client that is killed has read less.
    """

    method: str
    path: str
    range: str | None
    token: bool
    status: int | None = None
    sent: int = 0
    fault: str | None = None


class Hub:
    """A running Hub: where it is, its faults, its log."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url, self.faults = root, url, Faults()
        self.log: list[Request] = []

    def asked(self, path: str = "*") -> list[Request]:
        """The requests for ``path``, which is matched as a fault's."""
        return [request for request in list(self.log) if matches(request.path, path)]

    def sent(self, path: str = "*") -> int:
        """The bytes of bodies that were sent for ``path``."""
        return sum(request.sent for request in self.asked(path))


@contextmanager
def serve(root: Path, address: str = "127.0.0.1", port: int = 0) -> Iterator[Hub]:
    """Serve the repositories of ``root``, and ``root/files``, until the block ends."""
    server = _Server((address, port), _Handler)
    server.hub = Hub(root, "http://{}:{}".format(*server.server_address[:2]))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.hub
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    hub: Hub
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        self.closing = threading.Event()
        super().__init__(*args)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    fault: Fault | None

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        hub, self.fault = self.server.hub, None
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.entry = Request(self.command, path, self.headers.get("Range"), bool(token))
        if path in ("/_faults", "/_log"):
            found = self._control(path, body)
        else:
            self.fault = hub.faults.take(self.command, path)
            self._log()
            found = answer(hub.root, Asked(self.path, f"http://{self.headers['Host']}", token, body))
        try:
            self._send(self.fault.spoiled(found) if self.fault else found)
        except ConnectionError:
            self.close_connection = True

    do_HEAD = do_POST = do_DELETE = do_GET

    def _log(self) -> None:
        self.entry.fault = self.fault.kind if self.fault else None
        if self.entry.path not in NOT_LOGGED:
            self.server.hub.log.append(self.entry)

    def _control(self, path: str, body: bytes) -> Answer:
        """Faults and log as a client of the Hub's process sets and reads them."""
        hub = self.server.hub
        if self.command == "DELETE":
            hub.faults.clear() if path == "/_faults" else hub.log.clear()
        if self.command == "POST":
            try:
                given = json.loads(body)
                hub.faults.put(*(Fault(**each) for each in (given if isinstance(given, list) else [given])))
            except (TypeError, ValueError) as error:
                return refused(400, str(error))
        return told([asdict(each) for each in (hub.faults.all() if path == "/_faults" else list(hub.log))])

    def _meets(self, *kinds: Kind) -> Fault | None:
        """The fault of this request, if it is one of these."""
        return self.fault if self.fault and self.fault.kind in kinds else None

    def _send(self, found: Answer) -> None:
        if (ends := self._meets("cut", "stall")) and not ends.after:
            self._end(ends)
            return
        first, last = 0, found.size
        if isinstance(found.content, Path) and not self._meets("whole"):
            found, first, last = self._part(found)
        if short := self._meets("short"):
            last = min(last, first + short.after)
        self._send_head(found, last - first)
        if self.command != "HEAD":
            self._send_body(found, first, min(last, first + ends.after) if ends else last)
        if ends:
            self._end(ends)

    def _part(self, found: Answer) -> tuple[Answer, int, int]:
        """The answer to a Range, and which bytes it is of: from the first, before the last."""
        size, etag = found.size, self.headers.get("If-Range")
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if not wanted or wanted.group() == "bytes=-" or (etag and etag != found.headers.get("ETag")):
            return found, 0, size
        low, high = wanted.groups()
        first = int(low) if low else max(0, size - int(high))
        last = min(size, int(high) + 1) if low and high else size
        if first >= last:
            return refused(416, "Range Not Satisfiable", headers={"Content-Range": f"bytes */{size}"}), 0, 0
        headers = {**found.headers, "Content-Range": f"bytes {first}-{last - 1}/{size}"}
        return Answer(206, found.content, headers), first, last

    def _send_head(self, found: Answer, length: int) -> None:
        self.entry.status = found.status
        self.send_response(found.status)
        for name, value in {"Content-Type": "application/octet-stream", **found.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send_body(self, found: Answer, first: int, last: int) -> None:
        wrong, slow = self._meets("wrong"), self._meets("slow")
        block = min(BLOCK, max(1, slow.rate // 10)) if slow else BLOCK
        with found.content.open("rb") if isinstance(found.content, Path) else io.BytesIO(found.content) as file:
            file.seek(first)
            while data := file.read(min(block, last - file.tell())):
                # Counted first: who has read the last byte may ask for the count at once.
                self.entry.sent += len(data)
                self.wfile.write(data.translate(FLIPPED) if wrong else data)
                if slow:
                    time.sleep(len(data) / slow.rate)

    def _end(self, fault: Fault) -> None:
        """No more is sent: at once, or when the client has had enough of waiting."""
        self.close_connection = True
        while fault.kind == "stall" and not self.server.closing.wait(0.1) and not self._gone():
            pass

    def _gone(self) -> bool:
        """Whether the client hung up."""
        return bool(select.select([self.connection], [], [], 0)[0]) and not self.connection.recv(1, socket.MSG_PEEK)

    def log_message(self, *_: object) -> None:
        pass
