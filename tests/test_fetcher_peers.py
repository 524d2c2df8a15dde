"""The program that fetches models, between hosts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.fetching import PROGRAM, SIZE, WHOLE, Bench, content
from tests.lab.running import free_port, running


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


def test_many_peers_that_cannot_be_reached_do_not_keep_the_hub_from_being_asked(bench: Bench) -> None:
    gone = [f"http://127.0.0.1:9/{n}" for n in range(8)]
    assert bench.fetch({**bench.file, "urls": [*gone, *bench.file["urls"]]})[0] == 0
    assert bench.hub.sent("m.gguf") == SIZE


def test_a_mirror_that_is_cut_off_is_asked_again_as_long_as_anything_comes(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "hub/files").mkdir()
    (tmp_path / "hub/files/mirror").write_bytes(content("m.gguf"))
    bench.hub.faults.add("cut", "/files/mirror", after=1_200_000, times=2)
    assert bench.fetch({**bench.file, "urls": [f"{bench.hub.url}/files/mirror", *bench.file["urls"]]})[0] == 0
    assert bench.hub.sent("m.gguf") == 0
