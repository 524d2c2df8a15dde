"""The program that fetches models on hosts, and what goes wrong on the way to it."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.fetching import FOLDER, IN_FOLDER, SIZE, TOKEN, WHOLE, Bench, content
from tests.hub import publish

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
    "gone": ("status", {"status": 404, "method": "GET"}, "is not there; check the model's entry"),
    "silence": ("stall", {"after": 100}, "m.gguf"),
    "an hour's wait": (
        "status",
        {"status": 429, "headers": {"RateLimit": '"resolvers";r=0;t=3590'}},
        "was asked too often (HTTP 429), and wants to be left alone for 60 min; run again then",
    ),
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


def test_who_waits_says_so(bench: Bench) -> None:
    bench.hub.faults.add("status", "m.gguf", status=429, headers={"Retry-After": "1"}, times=1)
    code, said = bench.fetch(bench.file)
    assert (code, bench.seen) == (0, {"m.gguf": WHOLE["m.gguf"]})
    assert said == f"models/m.gguf: {bench.file['urls'][0]} was asked too often (HTTP 429): waiting 1 s, as it asks\n"


@pytest.mark.parametrize("more", [-1000, 1000])
@pytest.mark.parametrize("hub", [True, False])
def test_a_size_that_the_source_has_not_is_one_line(bench: Bench, more: int, hub: bool) -> None:
    """Somebody wrote it into the lock; with it mended nothing comes twice."""
    Path(bench.hub.root, "files").mkdir()
    Path(bench.hub.root, "files/m.gguf").write_bytes(content("m.gguf"))
    file = bench.file if hub else {**bench.file, "hub": False, "urls": [f"{bench.hub.url}/files/m.gguf"]}
    code, said = bench.fetch({**file, "bytes": SIZE + more})
    what = f"{SIZE} bytes, and not {SIZE + more}" if hub else f"more than {SIZE + more} bytes"
    what = what if hub or more < 0 else "fewer bytes than it should"
    fix = "mend that in the model's entry, or run `gpufleet lock INVENTORY --upgrade`"
    assert (code, said) == (1, f"models/m.gguf: its source has {what}; {fix}\n")
    assert bench.fetch(file)[0] == 0
    assert bench.seen == {"m.gguf": WHOLE["m.gguf"]}
    assert bench.hub.sent("m.gguf") <= SIZE + (1 << 20)


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
        line = "models/m.gguf: its source has more than 3000000 bytes; mend that in the model's entry, "
        line += "or run `gpufleet lock INVENTORY --upgrade`\n"
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


@pytest.mark.parametrize(("token", "code"), [("", 1), ("hf_another", 1), (TOKEN, 0)])
def test_gated(bench: Bench, token: str, code: int) -> None:
    ended, said = bench.fetch(bench.wanted("m.gguf", content("m.gguf"), repo="o/gated"), token=token)
    assert ended == code, said
    if code:
        assert said.startswith("models/m.gguf: ")
        assert "token" in said
    if not token:
        assert f"accept its terms at {bench.hub.url}/o/gated" in said


def test_where_xet_hangs_plain_http_is_used(bench: Bench, tmp_path: Path) -> None:
    publish(tmp_path / "hub", "o/m", {"m.gguf": content("m.gguf"), **FOLDER}, xet=True)
    bench.hub.faults.add("stall", "*/xet-read-token/*")
    code, said = bench.fetch(bench.file, stall=1)
    assert code == 0, said
    assert bench.seen == {"m.gguf": WHOLE["m.gguf"]}
    assert bench.hub.asked("*/xet-read-token/*")
    assert not list((bench.models / ".incoming").glob("*.xet"))
