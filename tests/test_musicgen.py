"""MusicGen's program: its HTTP side, with another player than the model, which no test here can have."""

from __future__ import annotations

import importlib.util
import io
import json
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator, Sequence
from threading import Event, Thread
from types import ModuleType

import pytest

from gpufleet.catalog import OURS

RATE, LONGEST = 8000, 10
BEGUN, GO_ON = Event(), Event()


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("musicgen_app", OURS / "images/musicgen/app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def play(words: str, seconds: float) -> tuple[Sequence[float], int]:
    if words == "slow":
        BEGUN.set()
        GO_ON.wait(60)
    if words == "broken":
        raise OSError("no model")
    return [0.5, -2.0] * int(seconds * RATE // 2), RATE


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = program().Server(("127.0.0.1", 0), play, LONGEST)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", body, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def told(**words: object) -> bytes:
    return json.dumps(words).encode()


def test_a_piece_is_a_wav_file_as_long_as_asked(port: int) -> None:
    status, sound = ask(port, "/generate", told(prompt="piano", duration=2))
    assert status == 200
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (
            1,
            2,
            RATE,
            2 * RATE,
        )
        assert file.readframes(2) == (16384).to_bytes(2, "little") + (-32767).to_bytes(2, "little", signed=True)


def test_one_piece_at_a_time_and_the_server_goes_on(port: int) -> None:
    first = Thread(target=ask, args=(port, "/generate", told(prompt="slow")))
    first.start()
    BEGUN.wait(60)
    assert ask(port, "/generate", told(prompt="piano"))[0] == 503
    assert ask(port, "/health") == (200, b'{"status": "ok"}')
    GO_ON.set()
    first.join()
    assert ask(port, "/generate", told(prompt="broken")) == (500, b'{"error": "OSError: no model"}')
    assert ask(port, "/generate", told(prompt="piano"))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/", None, 200), ("/nothing", None, 404), ("/nothing", b"{}", 404), ("/generate", b"{", 400),
        ("/generate", b"[]", 400), ("/generate", told(prompt=" "), 400), ("/generate", told(prompt=1), 400),
        ("/generate", told(prompt="x" * 1001), 400), ("/generate", told(prompt="x", duration=0.5), 400),
        ("/generate", told(prompt="x", duration=11), 400), ("/generate", told(prompt="x", duration=True), 400),
        ("/generate", told(prompt="x", duration="8"), 400), ("/generate", b" " * 70000, 413),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(port: int, path: str, body: bytes | None, status: int) -> None:
    assert ask(port, path, body)[0] == status
