"""MusicGen over HTTP: words in, a WAV file out, and a page to try it. `app.py fetch` fetches the model."""

from __future__ import annotations

import io
import json
import os
import sys
import wave
from collections.abc import Callable, Sequence
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

CONFIGS = ("config", "generation_config", "preprocessor_config", "special_tokens_map", "tokenizer", "tokenizer_config")
FILES = (*(f"{name}.json" for name in CONFIGS), "model.safetensors")
TOKENS = 50  # of a second
LARGEST = 1 << 16  # bytes of a request
PAGE = Path(__file__).with_name("page.html")
Play = Callable[
    [str, float], tuple[Sequence[float], int]
]  # (words, seconds) -> (samples from -1 to 1, samples a second)


class Refused(Exception):
    """(status, what is wrong)"""


def source() -> dict[str, str]:
    return {"repo_id": os.environ["MUSICGEN_MODEL"], "revision": os.environ["MUSICGEN_REVISION"]}


def fetch() -> None:
    """Fetch what is missing; with HF_HUB_OFFLINE=1, fail if anything is."""
    from huggingface_hub import hf_hub_download

    for name in FILES:
        hf_hub_download(filename=name, **source())


@cache
def model() -> tuple[Any, Any]:
    """What reads words, and what plays; never from the network."""
    from huggingface_hub import snapshot_download
    from transformers import AutoProcessor, MusicgenForConditionalGeneration

    path = snapshot_download(local_files_only=True, **source())
    player = MusicgenForConditionalGeneration.from_pretrained(path, local_files_only=True, use_safetensors=True)
    return AutoProcessor.from_pretrained(path, local_files_only=True), player


def play(words: str, seconds: float) -> tuple[Sequence[float], int]:
    reader, player = model()
    told = reader(text=[words], padding=True, return_tensors="pt")
    sound = player.generate(**told, do_sample=True, guidance_scale=3, max_new_tokens=int(seconds * TOKENS))
    return sound[0, 0].tolist(), player.config.audio_encoder.sampling_rate


def wav(samples: Sequence[float], rate: int) -> bytes:
    """Of one channel, 16 bit."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        loud = (round(max(-1.0, min(1.0, sample)) * 32767) for sample in samples)
        file.writeframes(b"".join(number.to_bytes(2, "little", signed=True) for number in loud))
    return out.getvalue()


def asked(body: bytes, longest: float) -> tuple[str, float]:
    """The words and seconds of a request. Raises Refused."""
    try:
        told = json.loads(body)
        words, seconds = told["prompt"], told.get("duration", 8)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(400, 'write {"prompt": "words", "duration": seconds}') from None
    if not isinstance(words, str) or not words.strip() or len(words) > 1000:
        raise Refused(400, "prompt: write words, 1000 letters at most")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= longest:
        raise Refused(400, f"duration: write seconds from 1 to {longest:g}")
    return words, seconds


class Server(ThreadingHTTPServer):
    """One piece is played at a time: it takes all processors."""

    def __init__(self, address: tuple[str, int], player: Play, longest: float) -> None:
        super().__init__(address, Handler)
        self.player, self.longest, self.busy = player, longest, Lock()

    def played(self, body: bytes) -> bytes:
        """What is asked for. Raises Refused."""
        words = asked(body, self.longest)
        if not self.busy.acquire(blocking=False):
            raise Refused(503, "plays another piece; ask again")
        try:
            return wav(*self.player(*words))
        finally:
            self.busy.release()


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 60

    def do_GET(self) -> None:
        told = {
            "/": (PAGE.read_bytes(), "text/html; charset=utf-8"),
            "/health": (b'{"status": "ok"}', "application/json"),
        }
        self._say(200, *told[self.path]) if self.path in told else self._refuse(404, "not found")

    def do_POST(self) -> None:
        try:
            self._say(200, self.server.played(self._body()), "audio/wav")
        except Refused as refused:
            self._refuse(*refused.args)
        except Exception as error:  # of the program below, whatever it is: the server goes on
            self.log_message("%s: %s", type(error).__name__, error)
            self._refuse(500, f"{type(error).__name__}: {error}"[:300])

    def _body(self) -> bytes:
        if self.path != "/generate":
            raise Refused(404, "not found")
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 <= size <= LARGEST:
            raise Refused(413, "too large")
        return self.rfile.read(size)

    def _refuse(self, status: int, why: str) -> None:
        self._say(status, json.dumps({"error": why}).encode(), "application/json")

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if sys.argv[1:] == ["fetch"]:
        fetch()
    else:
        Server(("0.0.0.0", 8003), play, float(os.environ["MAX_DURATION_SECONDS"])).serve_forever()
