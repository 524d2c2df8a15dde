"""A registry of Ollama's: manifests by name and tag, and blobs that it sends its clients elsewhere for, also in part.

Where hosts of the lab ask it it runs in a process of its own: `python -m tests.ollamas PORT --address A`. Then models
are put into it, and it is made slow, by requests to /_model and /_rate; /_log has what it was asked.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.answering import Answering

KIND = "application/vnd.docker.distribution.manifest.v2+json"
IMAGE = "application/vnd.ollama.image"
CONFIG = b'{"model_format":"gguf","model_family":"llama","architecture":"amd64","os":"linux"}'


@dataclass
class Ollamas:
    """``rate``: bytes a second of each answer; ``spoiled``: blobs that it sends other bytes of."""

    url: str = ""
    manifests: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    spoiled: set[str] = field(default_factory=set)
    rate: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, name: str, weights: bytes, **more: str) -> str:
        """A model as Ollama pushes it, ``more`` layers by their kind; the sha256 of its manifest."""
        base, _, tag = name.partition(":")
        layers = [
            self._layer(weights, f"{IMAGE}.model"),
            *(self._layer(v.encode(), f"{IMAGE}.{k}") for k, v in more.items()),
        ]
        config = self._layer(CONFIG, "application/vnd.docker.container.image.v1+json")
        told = {"schemaVersion": 2, "mediaType": KIND, "config": config, "layers": layers}
        body = json.dumps(told, separators=(",", ":")).encode()
        self.manifests[f"/v2/{base if '/' in base else f'library/{base}'}/manifests/{tag or 'latest'}"] = body
        return sha256(body).hexdigest()

    def _layer(self, data: bytes, kind: str) -> dict[str, Any]:
        digest = f"sha256:{sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def sent(self) -> dict[str, int]:
        """Bytes of blobs that it sent, by the beginning of their digest; and count anew."""
        found: dict[str, int] = {}
        for asked in self.log:
            if asked["path"].startswith("/cdn/"):
                name = asked["path"].removeprefix("/cdn/sha256:")[:12]
                found[name] = found.get(name, 0) + asked["sent"]
        self.log.clear()
        return found


class _Handler(Answering):
    @property
    def held(self) -> Ollamas:
        found: Ollamas = self.server.held  # type: ignore[attr-defined]
        return found

    def do_GET(self) -> None:
        if self.path == "/_log":
            return self.answer(200, json.dumps(self.held.log).encode())
        told = {"path": self.path, "sent": 0}
        self.held.log.append(told)
        digest = self.path.rpartition("/")[2]
        if "/blobs/" in self.path and digest in self.held.blobs:
            return self.answer(307, b"", {"Location": f"{self.held.url}/cdn/{digest}"})
        if self.path.startswith("/cdn/") and digest in self.held.blobs:
            return self._send(told, digest)
        body = self.held.manifests.get(self.path)
        self.answer(
            404 if body is None else 200, body or b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', {"Content-Type": KIND}
        )

    do_HEAD = do_GET

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/_model":
            name, weights = told.pop("name"), Path(told.pop("file")).read_bytes()
            return self.answer(200, self.held.publish(name, weights, **told).encode())
        if self.path == "/_rate":
            self.held.rate = told
        else:
            self.held.log.clear()
        return self.answer(200, b"{}")

    def _send(self, told: dict[str, Any], digest: str) -> None:
        """A blob, or what follows of it."""
        data = self.held.blobs[digest]
        data = bytes(len(data)) if digest in self.held.spoiled else data
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), int(asked[2] or len(data) - 1)) if asked else (0, len(data) - 1)
        part = data[first : last + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.end_headers()
        step = self.held.rate // 20 or len(part) or 1
        for at in range(0, len(part) if self.command != "HEAD" else 0, step):
            try:
                self.wfile.write(part[at : at + step])
            except OSError:
                return
            told["sent"] += len(part[at : at + step])
            time.sleep(0.05 if self.held.rate else 0)


def _server(address: str, port: int) -> tuple[ThreadingHTTPServer, Ollamas]:
    server = ThreadingHTTPServer((address, port), _Handler)
    held = Ollamas(f"http://{address}:{server.server_port}")
    server.held = held  # type: ignore[attr-defined]
    return server, held


@contextmanager
def serve() -> Iterator[Ollamas]:
    """A registry at 127.0.0.1, until the block ends."""
    server, held = _server("127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--address", default="127.0.0.1")
    asked = parser.parse_args()
    _server(asked.address, asked.port)[0].serve_forever()
