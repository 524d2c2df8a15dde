"""The program that fetches models on hosts: what it leaves there, whatever was there before."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from tests.fetching import FOLDER, IN_FOLDER, PROGRAM, SIZE, WHOLE, Bench, content, told


def test_a_file_and_a_folder_and_then_nothing_more(bench: Bench) -> None:
    code, said = bench.fetch(bench.file, *bench.folder)
    assert code == 0, said
    assert bench.seen == WHOLE
    requests, times = bench.requests, {p: p.stat().st_mtime_ns for p in bench.models.rglob("*.safetensors")}
    assert bench.fetch(bench.file, *bench.folder) == (0, "")
    assert bench.requests == requests
    assert {p: p.stat().st_mtime_ns for p in bench.models.rglob("*.safetensors")} == times


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


def test_a_link_to_where_containers_do_not_see(bench: Bench) -> None:
    (bench.models / "m.gguf").symlink_to("/nowhere/m.gguf")
    code, said = bench.fetch(bench.file)
    assert code == 1
    assert "models/m.gguf: is a link to /nowhere/m.gguf, which containers do not see; put the file itself here" in said


def test_the_disk_is_not_filled(bench: Bench) -> None:
    code, said = bench.fetch(bench.file, reserve=1 << 60)
    assert code == 1
    assert "models/m.gguf: less than 1152921.5 TB would stay free on its disk; free some, then run again" in said


def test_the_words_of_its_reports() -> None:
    done = subprocess.run([sys.executable, "-m", "doctest", "meter.py"], cwd=PROGRAM.parent, check=False)
    assert done.returncode == 0


def test_how_far_it_is(bench: Bench) -> None:
    bench.hub.faults.add("slow", "m.gguf", rate=2_000_000)
    code, said = bench.fetch(bench.file, every=0.3)
    assert code == 0
    first = said.splitlines()[0]
    assert first.startswith("models: ")
    assert " of 3.0 MB, " in first
