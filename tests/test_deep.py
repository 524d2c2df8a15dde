"""`gpufleet models --deep`: files are read again by the real shell, and what no time tells is found."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from gpufleet.deploys.deep import command, found
from gpufleet.facts.stored import Models
from gpufleet.plan.stock import digests, stock
from gpufleet.schema import HostFacts, Plan
from tests.conftest import planned
from tests.fetching import content, digest
from tests.test_models import locked
from tests.test_stock import asked, note

FILES = {"model.gguf": content("m"), "config.json": b'{"a": 1}', "empty.txt": b""}


@pytest.fixture
def plan(hosts: dict[str, HostFacts], tmp_path: Path) -> Plan:
    """Of a host whose store has a folder of the plan, one of before, and a file that nobody knows: all is right."""
    pieces = {p: {"bytes": len(data), "digest": digest(data, git=p.endswith(".json"))} for p, data in FILES.items()}
    plan = planned(hosts["cpu"], "cpu", {**locked(tmp_path, files=pieces), "data_root": str(tmp_path / "root")})
    folder = plan.below_models(plan.downloads[0].folder)
    there = {**{f"{folder}/{path}": data for path, data in FILES.items()}, "old-1/a b": b"old", "stray.gguf": b"mine"}
    for path, data in there.items():
        file = Path(plan.models_dir, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    known = {plan.below_models(d.path): d.digest for d in plan.downloads}
    note(plan, {**known, "old-1/a b": f"sha256:{sha256(b'old').hexdigest()}"})
    return plan


def deep(plan: Plan, known: dict[str, str]) -> dict[str, str]:
    """What is read."""
    done = subprocess.run(["sh", "-c", command(plan.root, known)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    sizes = sum(Path(plan.models_dir, path).stat().st_size for path in known) // 1_000_000
    assert lines[-1] == f"models: {sizes} of {sizes} MB read"
    return found(known, lines)


def rot(file: Path) -> None:
    """Another byte, and nothing that tells so."""
    before, data = file.stat(), file.read_bytes()
    file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_is_right_stays_as_it_is(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    store = asked(Models(), plan)
    known = digests(plan, store)
    assert len(known) == 4
    assert deep(plan, known) == known
    assert stock(plan, hosts["cpu"], store, known) == stock(plan, hosts["cpu"], store)
    assert asked(Models(), plan) == store


def test_what_no_time_tells_is_found_and_its_note_is_void(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    store = asked(Models(), plan)
    known = digests(plan, store)
    model = plan.below_models(next(d.path for d in plan.downloads if d.path.endswith(".gguf")))
    for path in (model, "old-1/a b"):
        rot(Path(plan.models_dir, path))
    assert asked(Models(), plan).noted == store.noted, "it takes a look into them"
    told = stock(plan, hosts["cpu"], store, deep(plan, known))
    what = "has other bytes than it should"
    assert told.wrong == (
        f"models/old-1/a b: {what}; nothing uses it: delete it",
        f"models/{model}: {what}; the next run sets it aside, and fetches it anew",
    )
    assert [one.verified for one in told.held if one.what == "folder"] == [False, False]
    after = asked(Models(), plan).noted
    assert {path for path, digest in after.items() if not digest} == {model, "old-1/a b"}


def test_what_is_not_noted_and_right_counts_as_verified(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    Path(plan.models_dir, ".verified").unlink()
    store = asked(Models(), plan)
    folder = f"models/{plan.below_models(plan.downloads[0].folder)}"
    seen = stock(plan, hosts["cpu"], store, deep(plan, digests(plan, store)))
    assert next(one.verified for one in seen.held if one.path == folder)


def test_what_is_not_there_is_not_read(plan: Plan) -> None:
    known = {"none.gguf": "sha256:00"}
    done = subprocess.run(["sh", "-c", command(plan.root, known)], capture_output=True, text=True, check=True)
    assert found(known, done.stdout.splitlines()) == {}
