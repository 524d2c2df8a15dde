"""The program that fetches models on hosts: a process, as there, the Hub's real client, and a Hub with faults."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.hub import Hub, publish, serve
from tests.lab.running import free_port, running

PROGRAM = Path(__file__).parent.parent / "gpufleet/catalog/images/fetcher/fetch.py"
TOKEN = "hf_nobodyshouldseethis"
SIZE = 3_000_000


def content(name: str, size: int = SIZE) -> bytes:
    return random.Random(name).randbytes(size)


def told(data: bytes) -> str:
    """So short that a failed test can be read."""
    return hashlib.sha256(data).hexdigest()[:8]


def digest(data: bytes, git: bool) -> str:
    if git:
        return "git:" + hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return "sha256:" + hashlib.sha256(data).hexdigest()


FOLDER = {"model-1.safetensors": content("one"), "model-2.safetensors": content("two"), "config.json": b'{"a": 1}'}


@dataclass
class Bench:
    """A Hub with a file and a folder, and a directory of models."""

    hub: Hub
    models: Path
    commits: dict[str, str]

    def wanted(self, path: str, data: bytes, folder: str = "", repo: str = "o/m", **more: Any) -> dict[str, Any]:
        found = digest(data, git=path.endswith(".json"))
        url = f"{self.hub.url}/{repo}/resolve/{self.commits[repo]}/{path}"
        part = f".incoming/{found.partition(':')[2]}"
        at = f"{folder}/{path}" if folder else path
        base = {"path": at, "part": part, "bytes": len(data), "digest": found, "urls": [url], "hub": True}
        return {**base, "folder": folder, **more}

    @property
    def file(self) -> dict[str, Any]:
        return self.wanted("m.gguf", content("m.gguf"))

    @property
    def folder(self) -> list[dict[str, Any]]:
        return [self.wanted(path, data, "m-0123") for path, data in FOLDER.items()]

    def start(self, *files: dict[str, Any], token: str = "", **job: Any) -> subprocess.Popen[str]:
        base = {"root": str(self.models), "endpoint": self.hub.url, "reserve": 0, "stall": 2, "tries": 4, "pause": 0.05}
        job_ = json.dumps({**base, "every": 60, **job, "files": files})
        env = {**os.environ, "HF_HOME": str(self.models.parent / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        pipe = subprocess.PIPE
        child = subprocess.Popen([sys.executable, PROGRAM], env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert child.stdin
        child.stdin.write(f"{token}\n{job_}\n")
        child.stdin.flush()
        return child

    def fetch(self, *files: dict[str, Any], **job: Any) -> tuple[int, str]:
        child = self.start(*files, **job)
        out, err = child.communicate(timeout=120)
        assert "Traceback" not in err, err
        assert TOKEN not in out + err
        return child.returncode, out + err

    @property
    def seen(self) -> dict[str, str]:
        """What engines see: what is in a file, by path."""
        files = (
            p for p in self.models.rglob("*") if p.is_file() and not p.relative_to(self.models).parts[0].startswith(".")
        )
        return {str(p.relative_to(self.models)): told(p.read_bytes()) for p in files}

    @property
    def requests(self) -> int:
        return len(self.hub.log)


IN_FOLDER = {f"m-0123/{path}": told(data) for path, data in FOLDER.items()}
WHOLE = {"m.gguf": told(content("m.gguf")), **IN_FOLDER}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    root = tmp_path / "hub"
    commits = {
        "o/m": publish(root, "o/m", {"m.gguf": content("m.gguf"), **FOLDER}),
        "o/gated": publish(root, "o/gated", {"m.gguf": content("m.gguf")}, gated=True, allowed=[TOKEN]),
    }
    (tmp_path / "models").mkdir()
    with serve(root) as hub:
        yield Bench(hub, tmp_path / "models", commits)


def test_a_file_and_a_folder_and_then_nothing_more(bench: Bench) -> None:
    code, said = bench.fetch(bench.file, *bench.folder)
    assert code == 0, said
    assert bench.seen == WHOLE
    requests, times = bench.requests, {p: p.stat().st_mtime_ns for p in bench.models.rglob("*.safetensors")}
    assert bench.fetch(bench.file, *bench.folder) == (0, "")
    assert bench.requests == requests
    assert {p: p.stat().st_mtime_ns for p in bench.models.rglob("*.safetensors")} == times


FAULTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "too many requests": [("status", {"status": 429, "headers": {"Retry-After": "0"}, "times": 3})],
    "a server's error": [
        ("status", {"status": 503, "method": "GET", "times": 2}),
        ("status", {"status": 500, "method": "GET", "times": 1}),
    ],
    "a server's error before": [("status", {"status": 502, "method": "HEAD", "times": 1})],
    "silence": [("stall", {"after": 1_500_000, "times": 1})],
    "silence from the start": [("stall", {"after": 0, "times": 1})],
    "a cut": [("cut", {"after": 2_200_000, "times": 1}), ("cut", {"after": 10, "times": 2})],
    "cuts before any byte": [("cut", {"after": 0, "times": 3})],
    "too short": [("short", {"after": 1_000_000, "times": 1})],
    "other bytes": [("wrong", {"times": 1})],
    "another name": [("etag", {"times": 2})],
    "no ranges": [("cut", {"after": 2_200_000, "times": 1}), ("whole", {"times": 1})],
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_passes_is_waited_out(bench: Bench, name: str) -> None:
    for kind, more in FAULTS[name]:
        bench.hub.faults.add(kind, "m.gguf", **more)  # type: ignore[arg-type]
    code, said = bench.fetch(bench.file)
    assert code == 0, said
    assert bench.seen == {"m.gguf": WHOLE["m.gguf"]}
    # What came of the chunk that was cut off comes again; of other bytes, all.
    again = 2 if name in ("other bytes", "no ranges", "too short") else 1
    assert bench.hub.sent("m.gguf") <= again * SIZE + 3 * (1 << 20)


FOR_EVER: dict[str, tuple[str, dict[str, Any], str]] = {
    "an error": ("status", {"status": 503, "method": "GET"}, "answers HTTP 503"),
    "other bytes": ("wrong", {}, "its source has other bytes than it should; check the model's entry, then run again"),
    "forbidden": ("status", {"status": 403, "method": "GET"}, "answers HTTP 403; check the token in secrets/HF_TOKEN"),
    "gone": ("status", {"status": 404, "method": "GET"}, "answers HTTP 404"),
    "silence": ("stall", {"after": 100}, "m.gguf"),
}


@pytest.mark.parametrize("name", FOR_EVER)
def test_what_does_not_pass_is_said_in_one_line_and_the_others_come(bench: Bench, name: str) -> None:
    kind, more, line = FOR_EVER[name]
    bench.hub.faults.add(kind, "m.gguf", **more)  # type: ignore[arg-type]
    code, said = bench.fetch(bench.file, *bench.folder, tries=2, stall=1)
    assert code == 1
    (only,) = [x for x in said.splitlines() if x.startswith("models/m.gguf: ")]
    assert line in only
    assert bench.seen == IN_FOLDER
    bench.hub.faults.clear()
    assert bench.fetch(bench.file, *bench.folder)[0] == 0
    assert bench.seen == WHOLE


def test_a_folder_is_seen_only_whole(bench: Bench) -> None:
    bench.hub.faults.add("status", "model-2.safetensors", status=404)
    assert bench.fetch(*bench.folder)[0] == 1
    assert bench.seen == {}
    sent = bench.hub.sent("model-1.safetensors")
    bench.hub.faults.clear()
    assert bench.fetch(*bench.folder)[0] == 0
    assert bench.seen == IN_FOLDER
    assert bench.hub.sent("model-1.safetensors") == sent


@pytest.mark.parametrize("seed", range(4))
def test_killed_anywhere_and_started_again_it_ends_the_same(bench: Bench, seed: int) -> None:
    dice = random.Random(seed)
    bench.hub.faults.add("slow", "*", rate=2_000_000)
    for _ in range(4):
        child = bench.start(bench.file, *bench.folder)
        time.sleep(dice.uniform(0.1, 2.5))
        child.kill()
        child.communicate()
        assert all(WHOLE[path] == data for path, data in bench.seen.items())
    bench.hub.faults.clear()
    assert bench.fetch(bench.file, *bench.folder)[0] == 0
    assert bench.seen == WHOLE
    for path in ("m.gguf", "model-1.safetensors", "model-2.safetensors"):
        assert bench.hub.sent(path) <= SIZE + 4 * (2 << 20), "a chunk for each time, and what was on its way"


def test_only_one_writes_and_the_other_waits(bench: Bench) -> None:
    bench.hub.faults.add("slow", "m.gguf", rate=2_000_000)
    first = bench.start(bench.file)
    time.sleep(1)
    code, said = bench.fetch(bench.file)
    assert (code, said) == (0, "models: another run fetches here; this one waits for it\n")
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert bench.hub.sent("m.gguf") == SIZE


def test_the_same_bytes_take_room_once(bench: Bench) -> None:
    other = {**bench.file, "path": "other.gguf"}
    assert bench.fetch(bench.file)[0] == 0
    code, said = bench.fetch(bench.file, other, bench.wanted("m.gguf", content("m.gguf"), "f-1"))
    assert code == 0, said
    inodes = {(bench.models / p).stat().st_ino for p in ("m.gguf", "other.gguf", "f-1/m.gguf")}
    assert len(inodes) == 1
    assert bench.hub.sent("m.gguf") == SIZE


def test_two_names_of_new_bytes_cost_one_fetch(bench: Bench) -> None:
    assert bench.fetch(bench.file, {**bench.file, "path": "other.gguf"})[0] == 0
    assert set(bench.seen) == {"m.gguf", "other.gguf"}
    assert bench.hub.sent("m.gguf") == SIZE


def test_what_was_there_before_is_read_and_taken(bench: Bench) -> None:
    (bench.models / "m.gguf").write_bytes(content("m.gguf"))
    assert bench.fetch(bench.file) == (0, "")
    assert bench.requests == 0


@pytest.mark.parametrize("data", [b"mine", content("other")], ids=["of another size", "of the same size"])
def test_other_bytes_under_its_name_are_set_aside(bench: Bench, data: bytes) -> None:
    (bench.models / "m.gguf").write_bytes(data)
    code, said = bench.fetch(bench.file)
    assert (code, said) == (0, "models/m.gguf: has other bytes than it should; set aside as m.gguf.set-aside\n")
    assert bench.seen == {"m.gguf": WHOLE["m.gguf"], "m.gguf.set-aside": told(data)}


def test_a_byte_that_rots_is_found_where_somebody_looks(bench: Bench) -> None:
    assert bench.fetch(*bench.folder)[0] == 0
    path = bench.models / "m-0123/model-1.safetensors"
    with path.open("r+b") as file:
        file.write(b"\0\0\0\0")
    code, said = bench.fetch(*bench.folder)
    assert (code, "set aside as model-1.safetensors.set-aside" in said) == (0, True)
    assert path.read_bytes() == FOLDER["model-1.safetensors"]
    assert bench.hub.sent("model-2.safetensors") == SIZE


def test_what_was_set_aside_before_stays(bench: Bench) -> None:
    for name in ("m.gguf", "m.gguf.set-aside"):
        (bench.models / name).write_bytes(name.encode())
    code, said = bench.fetch(bench.file)
    assert (code, "set aside as m.gguf.2.set-aside" in said) == (0, True)
    assert bench.seen["m.gguf.set-aside"] == told(b"m.gguf.set-aside")


def test_an_empty_file_is_a_file(bench: Bench) -> None:
    empty = bench.wanted("added.json", b"", "m-0123")
    code, said = bench.fetch(*bench.folder, empty)
    assert code == 0, said
    assert bench.seen == {**IN_FOLDER, "m-0123/added.json": told(b"")}


@pytest.mark.parametrize("note", [b"\xff\xfe not text", b"a b c"], ids=["no text", "no note"])
def test_a_note_that_says_nothing_is_none(bench: Bench, note: bytes) -> None:
    assert bench.fetch(bench.file)[0] == 0
    (bench.models / ".verified").write_bytes(note)
    sent = bench.hub.sent()
    assert bench.fetch(bench.file) == (0, "")
    assert bench.hub.sent() == sent


def test_a_server_without_end_is_left(bench: Bench, tmp_path: Path) -> None:
    """It says no length, and sends more than there is."""

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"x" * (1 << 20))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/m"
        code, said = bench.fetch({**bench.file, "urls": [url], "hub": False})
        line = "models/m.gguf: its source sends more than 3000000 bytes; check the model's entry, then run again\n"
        assert (code, said) == (1, line)
        assert bench.seen == {}
        assert bench.fetch({**bench.file, "urls": [url, *bench.file["urls"]]})[0] == 0
        server.shutdown()
    assert bench.seen == {"m.gguf": WHOLE["m.gguf"]}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_a_full_disk_is_told_and_the_small_one_comes(bench: Bench) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", bench.models], check=True)
    try:
        code, said = bench.fetch(bench.file, *bench.folder)
        assert code == 1
        assert "the disk is full; free some, then run again" in said or "no space left on device" in said
        assert all(WHOLE[path] == seen for path, seen in bench.seen.items())
    finally:
        subprocess.run(["umount", bench.models], check=True)


def test_a_link_to_where_containers_do_not_see(bench: Bench) -> None:
    (bench.models / "m.gguf").symlink_to("/nowhere/m.gguf")
    code, said = bench.fetch(bench.file)
    assert code == 1
    assert "models/m.gguf: is a link to /nowhere/m.gguf, which containers do not see; put the file itself here" in said


def test_the_disk_is_not_filled(bench: Bench) -> None:
    code, said = bench.fetch(bench.file, reserve=1 << 60)
    assert code == 1
    assert "models/m.gguf: less than 1152921.5 TB would stay free on its disk; free some, then run again" in said


@pytest.mark.parametrize(("token", "code"), [("", 1), ("hf_another", 1), (TOKEN, 0)])
def test_gated(bench: Bench, token: str, code: int) -> None:
    ended, said = bench.fetch(bench.wanted("m.gguf", content("m.gguf"), repo="o/gated"), token=token)
    assert ended == code, said
    if code:
        assert said.startswith("models/m.gguf: ")
        assert "token" in said
    if not token:
        assert f"accept its terms at {bench.hub.url}/o/gated" in said


def test_a_peer_is_asked_first_and_the_hub_when_it_fails(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "hub/files").mkdir()
    (tmp_path / "hub/files/right").write_bytes(content("m.gguf"))
    hub = bench.file["urls"]
    assert bench.fetch({**bench.file, "urls": [f"{bench.hub.url}/files/right", *hub]})[0] == 0
    assert bench.hub.sent("m.gguf") == 0
    (bench.models / "m.gguf").unlink()
    assert bench.fetch({**bench.file, "urls": [f"{bench.hub.url}/files/gone", "http://127.0.0.1:9/x", *hub]})[0] == 0
    assert bench.hub.sent("m.gguf") == SIZE


@contextmanager
def offering(models: Path) -> Iterator[str]:
    """The address at which another host offers its models."""
    port, program = free_port(), PROGRAM.with_name("offer.py")
    command = (sys.executable, program, "no.such.name", str(port), models)
    with running(*command, cwd=models, port=port, env={**os.environ, "WORD": "word"}):
        yield f"http://127.0.0.1:{port}"


def test_a_host_offers_what_it_has(bench: Bench, tmp_path: Path) -> None:
    assert bench.fetch(bench.file, *bench.folder)[0] == 0
    sent = bench.hub.sent()
    (tmp_path / "other").mkdir()
    taker = Bench(bench.hub, tmp_path / "other", bench.commits)
    (taker.models / ".incoming").mkdir()
    (taker.models / bench.file["part"]).write_bytes(content("m.gguf")[:1_000_000])
    with offering(bench.models) as there:
        files = [bench.file, *bench.folder]
        for f in files:
            f["urls"].insert(0, f"{there}/word/{f['part'].rpartition('/')[2]}")
        code, said = taker.fetch(*files)
        for path in ("wrong/" + files[0]["part"].rpartition("/")[2], "word/00", "word/.verified"):
            assert httpx.get(f"{there}/{path}", trust_env=False).status_code == 404
    assert (code, said) == (0, "")
    assert taker.seen == WHOLE
    assert bench.hub.sent() == sent


def test_the_words_of_its_reports() -> None:
    done = subprocess.run([sys.executable, "-m", "doctest", "meter.py"], cwd=PROGRAM.parent, check=False)
    assert done.returncode == 0


def test_where_xet_hangs_plain_http_is_used(bench: Bench, tmp_path: Path) -> None:
    publish(tmp_path / "hub", "o/m", {"m.gguf": content("m.gguf"), **FOLDER}, xet=True)
    bench.hub.faults.add("stall", "*/xet-read-token/*")
    code, said = bench.fetch(bench.file, stall=1)
    assert code == 0, said
    assert bench.seen == {"m.gguf": WHOLE["m.gguf"]}
    assert bench.hub.asked("*/xet-read-token/*")
    assert not list((bench.models / ".incoming").glob("*.xet"))


def test_how_far_it_is(bench: Bench) -> None:
    bench.hub.faults.add("slow", "m.gguf", rate=2_000_000)
    code, said = bench.fetch(bench.file, every=0.3)
    assert code == 0
    first = said.splitlines()[0]
    assert first.startswith("models: ")
    assert " of 3.0 MB, " in first
