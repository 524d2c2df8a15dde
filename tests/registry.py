"""A registry of three routes for tests that may not have a real one: manifests, blobs, and the token that anybody gets.

What is asked for with another name than it has is answered as registries do. Ollama's models lie in it, too.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import ThreadingHTTPServer
from typing import Any

from tests.answering import Answering
from tests.hub import Faults

OLLAMA = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
FLIPPED = bytes(255 - byte for byte in range(256))


class Registry:
    """``manifests`` by path and tag; ``login``: a token is asked for; ``status``: answered to everything.

    ``blobs`` by digest; ``faults`` of them: ``cut``, ``wrong``, ``whole``, ``slow``; ``sent``: bytes of each.
    """

    def __init__(self, at: str) -> None:
        self.at = at
        self.manifests: dict[str, bytes] = {}
        self.login = False
        self.status = 0
        self.asked: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.faults, self.sent = Faults(), Counter[str]()

    def publish(self, name: str, *sizes: int, version: int = 1) -> str:
        """A manifest of layers of these sizes; its digest."""
        path, _, tag = name.rpartition(":")
        layers = [{"size": size, "digest": f"sha256:{size:064x}"} for size in sizes]
        body = json.dumps({"schemaVersion": 2, "layers": layers, "version": version}).encode()
        self.manifests[f"/v2/{path}/manifests/{tag}"] = body
        return sha256(body).hexdigest()

    def image(self, name: str, kind: str = INDEX, **layers: bytes) -> str:
        """An image of one layer for each architecture, or, of another ``kind``, for one alone; its digest."""
        path, _, tag = name.rpartition(":")
        own = {
            arch: self._manifest(path, arch, data, MANIFEST if kind == INDEX else kind) for arch, data in layers.items()
        }
        found = [{**about, "platform": {"os": "linux", "architecture": arch}} for arch, about in own.items()]
        unknown = {**found[0], "digest": f"sha256:{'0' * 64}", "platform": {"os": "unknown", "architecture": "unknown"}}
        index = self._put(path, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*found, unknown]})
        top = index["digest"] if kind == INDEX else found[0]["digest"]
        self.manifests[f"/v2/{path}/manifests/{tag}"] = self.manifests[f"/v2/{path}/manifests/{top}"]
        return str(top)

    def _manifest(self, path: str, arch: str, data: bytes, kind: str) -> dict[str, Any]:
        config = self.blob(json.dumps({"os": "linux", "architecture": arch}).encode())
        return self._put(path, {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [self.blob(data)]})

    def _put(self, path: str, told: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(told).encode()
        self.manifests[f"/v2/{path}/manifests/sha256:{_hex(body)}"] = body
        return {"mediaType": told["mediaType"], "digest": f"sha256:{_hex(body)}", "size": len(body)}

    def blob(self, data: bytes) -> dict[str, Any]:
        """As manifests name it."""
        digest = f"sha256:{_hex(data)}"
        self.blobs[digest] = data
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(data)}

    def model(self, name: str, *layers: bytes) -> None:
        """One of Ollama's."""
        path, _, tag = name.rpartition(":")
        told = {"schemaVersion": 2, "mediaType": OLLAMA, "layers": [self.blob(data) for data in layers]}
        self.manifests[f"/v2/{path}/manifests/{tag}"] = json.dumps(told).encode()


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


class _Handler(Answering):
    def do_GET(self) -> None:
        registry: Registry = self.server.registry  # type: ignore[attr-defined]
        registry.asked.append(f"{self.command} {self.path}")
        body = registry.manifests.get(self.path)
        if registry.status:
            self.answer(registry.status, b"{}")
        elif self.path.startswith("/token?service=lab&scope="):
            self.answer(200, b'{"token": "anybody"}')
        elif registry.login and self.headers.get("Authorization") != "Bearer anybody":
            scope = f'Bearer realm="http://{registry.at}/token",service="lab",scope="repository:team:pull"'
            self.answer(401, b"{}", {"WWW-Authenticate": scope})
        elif "/blobs/" in self.path and (data := registry.blobs.get(self.path.rpartition("/")[2])) is not None:
            self._blob(registry, self.path.rpartition("/")[2], data)
        elif body is None or (OLLAMA if "/library/" in self.path else INDEX) not in self.headers.get("Accept", ""):
            self.answer(404 if self.path != "/v2/" else 200, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
        else:
            kind = json.loads(body).get("mediaType", INDEX)
            self.answer(200, body, {"Content-Type": kind, "Docker-Content-Digest": f"sha256:{_hex(body)}"})

    do_HEAD = do_GET

    def _blob(self, registry: Registry, digest: str, data: bytes) -> None:
        fault = registry.faults.take(self.command, self.path)
        kind = fault.kind if fault else ""
        start = 0 if kind == "whole" else int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        rest = data[start : start + fault.after] if fault and kind == "cut" else data[start:]
        step = fault.rate // 10 if fault and kind == "slow" else max(1, len(rest))
        try:
            for at in range(0, len(rest), step):
                some = rest[at : at + step]
                registry.sent[digest] += len(some)
                self.wfile.write(some.translate(FLIPPED) if kind == "wrong" else some)
                time.sleep(0.1 if kind == "slow" else 0)
        except ConnectionError:
            kind = "cut"
        self.close_connection = self.close_connection or kind == "cut"


def _hex(body: bytes) -> str:
    return sha256(body).hexdigest()
