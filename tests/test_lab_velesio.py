"""The gateway and the worker of Velesio, as the release has them, with a real Redis and a real llama.cpp server."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from gpufleet.render import render
from gpufleet.schema import HostFacts
from tests.conftest import planned
from tests.lab.gguf import write
from tests.lab.running import free_port, listens, running
from tests.lab.shell import until
from tests.lab.trees import image_tree, llama_tree

pytestmark = pytest.mark.lab
TOKEN = "second"
HANDS = 4
DATA = {"stack": "velesio", "options": {"llm-worker": {"jobs": HANDS}}}


def ask(port: int, path: str, body: object = None, token: str = TOKEN) -> tuple[int, str]:
    """(HTTP status, text)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Slow(BaseHTTPRequestHandler):
    """An engine that takes a second for each answer, and knows what it was asked."""

    asked: ClassVar[list[str]] = []
    busy: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self._tell(b"")

    def do_POST(self) -> None:
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["prompt"]
        self.asked.append(prompt)
        self.busy.append(1)
        time.sleep(1)
        self.busy.pop()
        self._tell(json.dumps(prompt).encode())

    def _tell(self, text: bytes) -> None:
        with suppress(OSError):  # whoever asked was killed
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[int]:
    """Its port."""
    Slow.asked.clear()
    Slow.busy.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Velesio:
    """What a test needs of it: ports, and the worker that it may end."""

    def __init__(self, stack: ExitStack, files: Path, redis: dict[str, str], llama: int) -> None:
        self.api, self.counts, self.tell = free_port(), free_port(), free_port()
        self.files, self.redis, self.llama = files, redis, llama
        moved = {"8001": str(self.counts), "8000": str(self.api)}
        stack.enter_context(
            self._python("api", moved, API_TOKENS="first, second", WAIT="120", REQUESTS_PER_MINUTE="1000", ORIGIN="*")
        )
        until("the gateway", lambda: listens(self.api))

    def _python(self, name: str, ports: dict[str, str], **env: str) -> Any:
        """A program of the release at other ports: many tests share a machine."""
        for file in (self.files / name).glob("*.py"):
            text = file.read_text()
            for old, new in ports.items():
                text = text.replace(f"({old})", f"({new})").replace(f", {old})", f", {new})")
            file.write_text(text)
        program = "api" if name == "api" else "worker"
        return running(sys.executable, "-B", f"{program}.py", cwd=self.files / name, env=self.redis | env)

    def worker(self, port: int = 0, name: str = "llm-worker") -> Any:
        engine = f"http://127.0.0.1:{port or self.llama}"
        ports = {"8001": str(self.tell)} if name == "llm-worker" else {str(self.tell): str(free_port())}
        return self._python(name, ports, NAME=name, QUEUE="llama_queue", ENGINE=engine)

    def waiting(self) -> int:
        found = re.search(r'velesio_queue_jobs\{queue="llama_queue"\} (\d+)', ask(self.counts, "/metrics")[1])
        assert found
        return int(found[1])

    def ready(self) -> None:
        until("the worker", lambda: ask(self.api, "/completion", {"prompt": "x", "max_tokens": 8})[0] == 200, 60)


@pytest.fixture(scope="module")
def velesio(hosts: dict[str, HostFacts], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Velesio]:
    folder = tmp_path_factory.mktemp("velesio")
    for path, data in render(planned(hosts["cpu"], "cpu", DATA)).files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    write(folder / "tiny.gguf", "pong from lab")
    redis, llama, tree = free_port(), free_port(), image_tree()
    loader: list[str | Path] = [
        tree / "lib64/ld-linux-x86-64.so.2",
        "--library-path",
        tree / "usr/lib/x86_64-linux-gnu",
    ]
    told = {"REDIS_ADDR": f"127.0.0.1:{redis}", "REDIS_PASSWORD": "word"}
    server = f"mount --bind {folder} {llama_tree()}/mnt && exec chroot {llama_tree()} /app/llama-server"
    with ExitStack() as stack:
        stack.enter_context(
            running(*loader, tree / "usr/bin/redis-server", "--port", str(redis), "--requirepass", "word", "--save", "",
                    cwd=folder, port=redis)
        )  # fmt: skip
        stack.enter_context(
            running("unshare", "-m", "sh", "-c", f"{server} -m /mnt/tiny.gguf --alias chat --port {llama}", cwd=folder,
                    port=llama)
        )  # fmt: skip
        yield Velesio(stack, folder, told, llama)


def test_the_worker_answers_by_way_of_the_queue(velesio: Velesio) -> None:
    assert ask(velesio.api, "/completion", {"prompt": "ping"})[0] == 503  # nobody serves the queue yet
    with velesio.worker():
        velesio.ready()
        status, text = ask(velesio.api, "/completion", {"prompt": "ping", "max_tokens": 8})
        assert (status, "pong from lab" in json.loads(text)["choices"][0]["text"]) == (200, True)
        messages = [{"role": "user", "content": "ping"}]
        status, text = ask(velesio.api, "/v1/chat/completions", {"messages": messages, "stream": True})
        pieces = [line for line in text.splitlines() if line.startswith("data: ")]
        assert status == 200
        assert len(pieces) > 3
        assert pieces[-1] == "data: [DONE]"
        counts = ask(velesio.counts, "/metrics")[1]
        assert 'velesio_queue_jobs{queue="llama_queue"} 0' in counts
        assert 'velesio_jobs_total{queue="llama_queue",outcome="done"}' in counts


@pytest.mark.parametrize(
    ("path", "body", "token", "status"),
    [
        ("/completion", {}, "", 401), ("/completion", {}, "firs", 401), ("/completion", b"{", TOKEN, 400),
        ("/completion", [1], TOKEN, 400), ("/nothing", {}, TOKEN, 404), ("/sdapi/v1/txt2img", {}, TOKEN, 503),
        ("/health", None, "", 200), ("/docs", None, "", 200),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(velesio: Velesio, path: str, body: object, token: str, status: int) -> None:
    assert ask(velesio.api, path, body, token)[0] == status


def test_a_job_of_a_worker_that_was_killed_is_done_by_the_next(velesio: Velesio) -> None:
    with velesio.worker() as worker:
        velesio.ready()
        worker.kill()
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask, velesio.api, "/completion", {"prompt": "ping", "max_tokens": 8})
        time.sleep(1)  # it waits in the queue, as the worker's last sign still counts
        with velesio.worker():
            assert asking.result()[0] == 200


def test_a_worker_that_is_stopped_signs_off_and_one_beside_it_serves_on(velesio: Velesio) -> None:
    shutil.copytree(velesio.files / "llm-worker", velesio.files / "other", dirs_exist_ok=True)
    log = velesio.files / "llm-worker/log"
    begun = log.read_text().count("serves") if log.exists() else 0
    with velesio.worker(name="other") as other:
        velesio.ready()
        with velesio.worker() as worker:
            until("the worker", lambda: log.read_text().count("serves") > begun)
            worker.terminate()
            assert worker.wait() == 0
        assert ask(velesio.api, "/completion", {"prompt": "ping", "max_tokens": 8})[0] == 200
        other.terminate()
        assert other.wait() == 0
    assert ask(velesio.api, "/completion", {"prompt": "ping"})[0] == 503


def test_a_job_whose_client_has_gone_waits_no_longer(velesio: Velesio) -> None:
    with velesio.worker() as worker:
        velesio.ready()
        worker.kill()  # its last sign still counts
        worker.wait()
    body = b'{"prompt": "ping"}'
    head = f"POST /completion HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", velesio.api)) as client:
        client.sendall(head.encode() + body)
        until("the job", lambda: velesio.waiting() == 1)
    until("nobody waits", lambda: velesio.waiting() == 0)


def test_jobs_are_done_as_many_at_a_time_as_the_engine_takes_and_each_once(velesio: Velesio, slow: int) -> None:
    names = [f"job {n}" for n in range(3 * HANDS)]
    with velesio.worker(slow), ThreadPoolExecutor(len(names)) as pool:
        velesio.ready()
        Slow.asked.clear()
        asking = [pool.submit(ask, velesio.api, "/completion", {"prompt": name}) for name in names]
        until("all hands", lambda: len(Slow.busy) == HANDS)
        assert [told.result() for told in asking] == [(200, json.dumps(name)) for name in names]
    assert sorted(Slow.asked) == sorted(names)


def test_no_job_of_many_is_lost_with_the_worker(velesio: Velesio, slow: int) -> None:
    names = [f"job {n}" for n in range(HANDS + 2)]
    with ThreadPoolExecutor(len(names)) as pool:
        with velesio.worker(slow) as worker:
            velesio.ready()
            Slow.asked.clear()
            asking = [pool.submit(ask, velesio.api, "/completion", {"prompt": name}) for name in names]
            until("all hands", lambda: len(Slow.busy) == HANDS)
            worker.kill()
        begun = [*Slow.asked]
        with velesio.worker(slow):
            assert [told.result() for told in asking] == [(200, json.dumps(name)) for name in names]
    # What was in work is begun anew, and nothing else is done twice.
    assert sorted(Slow.asked) == sorted([*names, *begun])
