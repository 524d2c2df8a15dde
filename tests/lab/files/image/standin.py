#!/usr/bin/python3
"""A stand-in for a program that the lab cannot have: it listens where the program does and answers what that answers.

Told in $STANDIN, as JSON: ``ports``, ``answers`` (HTTP status by path), ``writes`` (directories that its user must be
able to write: else it ends at once, as the program would), and what tests/lab/standins.yaml says of it.
"""

import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOLD: dict[str, Any] = json.loads(os.environ["STANDIN"])


class Handler(BaseHTTPRequestHandler):
    """Every path that is not known is not found."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metrics" and "metrics" in TOLD:
            self.send(200, "text/plain; version=0.0.4", TOLD["metrics"].encode())
        elif match := below(path, TOLD.get("kept", {})):
            file, rest = match
            self.say(200 if Path(file.format(rest=rest)).exists() else 404, {"id": path})
        else:
            self.say(TOLD["answers"].get(path, 404), {"stand-in": TOLD["name"]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if not (match := below(urlsplit(self.path).path, TOLD.get("posts", {}))):
            return self.say(404, {"stand-in": TOLD["name"]})
        told, rest = match
        for name in told.get("writes", ()):
            file = Path(name.format(rest=rest, model=str(body.get("model", "")).replace("/", "--")))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        inputs = body["input"] if isinstance(body.get("input"), list) else [""]
        each = [{"embedding": [0.0] * told.get("floats", 0)} for _ in inputs]
        return self.say(200, {"stand-in": TOLD["name"], "data": each})

    def say(self, status: int, told: object) -> None:
        self.send(status, "application/json", json.dumps(told).encode())

    def send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def below(path: str, told: dict[str, Any]) -> tuple[Any, str] | None:
    """What is told of the path that this one begins with, and the rest of it as a file's name."""
    found = next((p for p in told if path.startswith(p)), None)
    return None if found is None else (told[found], path.removeprefix(found).replace("/", "--"))


def wrong() -> list[str]:
    """What the program would not start without: directories that are mounted and that it may write."""
    return [f"{p} cannot be written" for p in TOLD["writes"] if Path(p).exists() and not os.access(p, os.W_OK)]


if __name__ == "__main__":
    if sys.argv[1:] == ["-health"]:  # as a health check, it asks the one that listens
        with socket.socket() as asked:
            sys.exit(asked.connect_ex(("127.0.0.1", TOLD["ports"][0])) != 0)
    if problems := wrong():
        sys.exit(f"stand-in for {TOLD['name']}: {'; '.join(problems)}")
    servers = [ThreadingHTTPServer(("0.0.0.0", port), Handler) for port in TOLD["ports"]]
    threads = [threading.Thread(target=s.serve_forever) for s in servers]
    for thread in threads:
        thread.start()
    print(f"stand-in for {TOLD['name']} listens at {TOLD['ports']}", flush=True)
    threads[0].join()
