#!/usr/bin/python3
"""A stand-in for Ollama: its commands and its API before real llama.cpp servers, one for each loaded model.

A pull takes a small model from $OLLAMA_SOURCE, whatever its name: `embed` in a name makes it one for embeddings. With a
file `lab-on-cpu` beside its models it says that it computes without a card.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from ollama_library import ROOT, about, blob, fetch, manifest, names, prune

HERE = "http://127.0.0.1:11434"
LOADED: dict[str, "Runner"] = {}
LOCK = threading.RLock()


class Runner:
    """One loaded model, in a server of its own."""

    def __init__(self, name: str) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        kind = ["--embeddings", "--pooling", "mean"] if "embed" in name else []
        context = os.environ.get("OLLAMA_CONTEXT_LENGTH", "4096")
        command = ["llama-server", "-m", blob(name), "--port", str(self.port), "-c", context, "-np", "1", *kind]
        self.program = subprocess.Popen([str(c) for c in command], stdout=sys.stderr)
        self.used, self.about = time.monotonic(), about(name)
        while not self.healthy():
            if self.program.poll() is not None:
                raise OSError(f"llama runner process has terminated: {self.program.returncode}")
            time.sleep(0.1)

    def healthy(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5)
        except OSError:
            return False
        return True


def load(name: str) -> Runner:
    """The model's server; what was used least goes where no more may be loaded."""
    with LOCK:
        if not manifest(name).exists():
            raise FileNotFoundError(f"model '{name}' not found")
        if name in LOADED and LOADED[name].about != about(name):
            LOADED.pop(name).program.kill()
        if name not in LOADED:
            while len(LOADED) >= int(os.environ.get("OLLAMA_MAX_LOADED_MODELS", "3")):
                least = min(LOADED, key=lambda n: LOADED[n].used)
                LOADED.pop(least).program.kill()
            LOADED[name] = Runner(name)
        LOADED[name].used = time.monotonic()
        return LOADED[name]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/v1/models"):
            return self.say({"object": "list", "data": [{"id": n, "object": "model"} for n in names()]})
        told: dict[str, Callable[[], object]] = {
            "/": lambda: "Ollama is running",
            "/api/version": lambda: {"version": "0.0.0-stand-in"},
            "/api/tags": lambda: {"models": [about(n) for n in names()]},
            "/api/ps": lambda: {"models": [held(n) for n in LOADED]},
        }
        return self.say(told[self.path]() if self.path in told else None, 200 if self.path in told else 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        name = body.get("model") or body.get("name") or ""
        name = name if ":" in name else f"{name}:latest"
        try:
            self.answer(name, body)
        except FileNotFoundError as error:
            self.say({"error": str(error)}, 404)
        except OSError as error:
            self.say({"error": str(error)}, 500)

    def answer(self, name: str, body: dict[str, Any]) -> None:
        if self.path == "/api/show":
            return self.say({"details": {"format": "gguf"}, **about(name)})
        if self.path == "/api/pull":
            return self.lines(fetch(name))
        runner = load(name)
        if self.path.startswith("/v1/"):
            return self.forward(runner, body)
        if self.path == "/api/embed":
            told = self.ask(runner, "/v1/embeddings", {"input": body.get("input", "")})
            return self.say({"model": name, "embeddings": [d["embedding"] for d in told["data"]]})
        if "embed" in name and self.path == "/api/generate" and not body.get("prompt"):
            return self.say({"error": f'"{name}" does not support generate'}, 400)
        text = self.chat(runner, body) if body.get("messages") or body.get("prompt") else ""
        told = {"response": text, "message": {"role": "assistant", "content": text}}
        return self.lines([{"model": name, "done": True, **told}])

    def chat(self, runner: Runner, body: dict[str, Any]) -> str:
        messages = body.get("messages") or [{"role": "user", "content": body["prompt"]}]
        told = self.ask(runner, "/v1/chat/completions", {"messages": messages, "max_tokens": 16})
        return str(told["choices"][0]["message"]["content"])

    def ask(self, runner: Runner, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{runner.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def forward(self, runner: Runner, body: dict[str, Any]) -> None:
        """The same path of the model's server, piece by piece as it comes."""
        there = HTTPConnection("127.0.0.1", runner.port, timeout=120)
        there.request("POST", self.path, json.dumps(body), {"Content-Type": "application/json"})
        answer = there.getresponse()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Connection", "close")
        self.end_headers()
        while piece := answer.read1(1 << 16):
            self.wfile.write(piece)
        self.close_connection = True

    def say(self, body: object, status: int = 200) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def lines(self, told: Iterable[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for line in told:
                self.wfile.write(json.dumps(line).encode() + b"\n")
        except (HTTPError, URLError, OSError) as error:
            self.wfile.write(json.dumps({"error": str(error)}).encode() + b"\n")
        self.close_connection = True


def held(name: str) -> dict[str, Any]:
    return {**LOADED[name].about, "size_vram": LOADED[name].about["size"] if cards() else 0, "context_length": 4096}


def cards() -> list[Path]:
    """Nodes of cards that the container was given."""
    if (ROOT.parent / "lab-on-cpu").exists():
        return []
    return [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("kfd")]


def serve() -> None:
    prune()
    library = "CUDA" if Path("/dev/nvidiactl").exists() else "ROCm"
    device = f"id=GPU-0 library={library}" if cards() else "id=cpu library=cpu"
    print(f'level=INFO source=types.go msg="inference compute" {device} stand-in=true', flush=True)
    ThreadingHTTPServer(("0.0.0.0", 11434), Handler).serve_forever()


def where(told: dict[str, Any]) -> str:
    """The last columns of a table."""
    if "size_vram" not in told:
        return "2 weeks ago"
    return f"100% {'GPU' if told['size_vram'] else 'CPU'}    {told['context_length']}    Forever"


def call(path: str, body: dict[str, Any] | None = None) -> Iterator[Any]:
    """Lines of the server's answer; ends the command where it says an error."""
    request = urllib.request.Request(HERE + path, json.dumps(body).encode() if body is not None else None)
    try:
        with urllib.request.urlopen(request) as answer:
            for line in answer:
                told = json.loads(line)
                if "error" in told:
                    sys.exit(f"Error: {told['error']}")
                yield told
    except HTTPError as error:
        sys.exit(f"Error: {json.load(error)['error']}")
    except URLError as error:
        sys.exit(f"Error: {error.reason}")


def main(command: str = "serve", *words: str) -> None:
    match command:
        case "serve":
            serve()
        case "pull":
            print(*(line["status"] for line in call("/api/pull", {"model": words[0]})), sep="\n")
        case "show":
            print(*call("/api/show", {"model": words[0]}))
        case "ps" | "list":
            print("NAME    ID    SIZE    " + ("PROCESSOR    CONTEXT    UNTIL" if command == "ps" else "MODIFIED"))
            for told in call("/api/ps" if command == "ps" else "/api/tags"):
                for m in told["models"]:
                    print(m["name"], m["digest"][:12], f"{m['size']} B", where(m), sep="    ")
        case "run":
            path, body = "/api/generate", {"model": words[0], "prompt": " ".join(words[1:])}
            if "embed" in words[0] and body["prompt"]:
                path, body = "/api/embed", {"model": words[0], "input": body["prompt"]}
            print(*(line.get("response", "") for line in call(path, body)))
        case _:
            sys.exit(f'Error: unknown command "{command}" for "ollama"')


if __name__ == "__main__":
    main(*sys.argv[1:])
