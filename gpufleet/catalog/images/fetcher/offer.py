"""Offer whole files of the store to other hosts for a while: ``/WORD/HEX`` is the file of that digest.

``WORD`` comes by the environment; who does not know it gets nothing. Readers check what they got.
"""

from __future__ import annotations

import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Timer

from store import Store

LONGEST = 6 * 3600  # seconds: who started it may be gone
RANGE = re.compile(r"bytes=(\d+)-")


class Server(ThreadingHTTPServer):
    """``found``: files by digest, without its kind."""

    daemon_threads = True

    def __init__(self, address: str, port: int, word: str, root: Path) -> None:
        self.word, store = word, Store(root)
        self.found = {digest.partition(":")[2]: root / path for path, (digest, _) in store.known.items()}
        try:
            super().__init__((address, port), Handler)
        except OSError:  # the name that others have for this host is no address of its own
            super().__init__(("", port), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        word, _, digest = self.path.removeprefix("/").partition("/")
        path = self.server.found.get(digest) if word == self.server.word else None
        if not path or not path.is_file():
            self.send_error(404)
            return
        asked, size = RANGE.fullmatch(self.headers.get("Range", "")), path.stat().st_size
        first = min(int(asked[1]), size) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(size - first))
        self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}") if asked else None
        self.end_headers()
        with path.open("rb") as file:
            self.connection.sendfile(file, first) if size > first else None

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    Timer(LONGEST, os._exit, (0,)).start()
    server = Server(sys.argv[1], int(sys.argv[2]), os.environ["WORD"], Path(sys.argv[3]))
    print("ready", flush=True)
    server.serve_forever()
