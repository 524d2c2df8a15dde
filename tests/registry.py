"""A registry of two routes for tests that may not have a real one: manifests, and the token that anybody gets.

What is asked for with another name than it has is answered as registries do. Ollama's models lie in it, too.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OLLAMA = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Registry:
    """``manifests`` by path and tag; ``login``: a token is asked for; ``status``: answered to everything."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.manifests: dict[str, bytes] = {}
        self.login = False
        self.status = 0
        self.asked: list[str] = []

    def publish(self, name: str, *sizes: int, version: int = 1) -> str:
        """A manifest of layers of these sizes; its digest."""
        path, _, tag = name.rpartition(":")
        layers = [{"size": size, "digest": f"sha256:{size:064x}"} for size in sizes]
        body = json.dumps({"schemaVersion": 2, "layers": layers, "version": version}).encode()
        self.manifests[f"/v2/{path}/manifests/{tag}"] = body
        return sha256(body).hexdigest()


@contextmanager
def serve() -> Iterator[Registry]:
    """A registry at 127.0.0.1 that speaks plain HTTP, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    registry = Registry(f"127.0.0.1:{server.server_port}")
    server.registry = registry  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        registry: Registry = self.server.registry  # type: ignore[attr-defined]
        registry.asked.append(f"{self.command} {self.path}")
        body = registry.manifests.get(self.path)
        if registry.status:
            self._answer(registry.status, b"{}")
        elif self.path.startswith("/token?service=lab&scope="):
            self._answer(200, b'{"token": "anybody"}')
        elif registry.login and self.headers.get("Authorization") != "Bearer anybody":
            scope = f'Bearer realm="http://{registry.at}/token",service="lab",scope="repository:team:pull"'
            self._answer(401, b"{}", {"WWW-Authenticate": scope})
        elif body is None or (OLLAMA if "/library/" in self.path else INDEX) not in self.headers.get("Accept", ""):
            self._answer(404 if self.path != "/v2/" else 200, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
        else:
            self._answer(200, body, {"Content-Type": INDEX, "Docker-Content-Digest": f"sha256:{_hex(body)}"})

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _hex(body: bytes) -> str:
    return sha256(body).hexdigest()
