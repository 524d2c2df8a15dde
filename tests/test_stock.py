"""`gpufleet models`: what lies in a real directory of models, whose it is, and what is printed of it."""

from __future__ import annotations

import json
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gpufleet import cli
from gpufleet.facts.stored import HELD, Models, Stored
from gpufleet.plan.stock import stock
from gpufleet.plan.unused import refusals, unused
from gpufleet.schema import HostFacts, HostStock, Plan, Stock
from tests.conftest import planned
from tests.test_models import PIECES, locked


@pytest.fixture
def plan(hosts: dict[str, HostFacts], tmp_path: Path) -> Plan:
    """Of a host with one model, a folder that llama loads; its data_root is a directory here, its models elsewhere."""
    (tmp_path / "share").mkdir()
    (tmp_path / "root" / "data" / "redis").mkdir(parents=True)
    (tmp_path / "root" / "models").symlink_to(tmp_path / "share")
    return planned(hosts["cpu"], "cpu", {**locked(tmp_path), "data_root": str(tmp_path / "root")})


def fill(plan: Plan, *paths: str) -> None:
    """Files below the directory of models, 3 bytes each."""
    for path in paths:
        file = Path(plan.models_dir, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("abc")


def note(plan: Plan, digests: dict[str, str]) -> None:
    """What the fetcher writes of files that it found right."""
    lines = []
    for path, digest in digests.items():
        s = Path(plan.models_dir, path).stat()
        seconds, rest = divmod(s.st_mtime_ns, 10**9)
        lines.append(f"{digest} {s.st_size} {seconds}.{rest:09d} {s.st_ino} {path}\n")
    Path(plan.models_dir, ".verified").write_text("".join(lines))


def asked(fact: Stored | Models, plan: Plan) -> Any:
    """What the fact's shell says here."""
    done = subprocess.run(["sh", "-c", fact.command(root=plan.root)], capture_output=True, text=True, check=True)
    return fact.process(done.stdout.splitlines())


def told(plan: Plan, facts: HostFacts) -> HostStock:
    return stock(plan, facts, asked(Models(), plan))


def test_a_blob_that_no_manifest_names_is_told(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    library, named, left = "ollama/models", "a" * 64, "b" * 64
    fill(
        plan,
        f"{library}/blobs/sha256-{named}",
        f"{library}/blobs/sha256-{left}",
        f"{library}/blobs/sha256-{left}.set-aside",
    )
    fill(plan, f"{library}/manifests/registry.ollama.ai/library/tiny/1b")
    Path(plan.models_dir, library, "manifests/registry.ollama.ai/library/tiny/1b").write_text(f'{{"sha256:{named}"}}')
    held = {one.path: (one.what, one.unused) for one in told(plan, hosts["cpu"]).held if "blobs" in one.path}
    at = f"models/{library}/blobs/sha256-{left}"
    assert held == {at: ("file", True), f"{at}.set-aside": ("set-aside", True)}


def folder_of(plan: Plan) -> str:
    return plan.below_models(plan.downloads[0].folder)


def lay(plan: Plan) -> str:
    """A folder of the plan, one of before, a file that nobody knows, two parts, and what was set aside."""
    folder, part = folder_of(plan), plan.below_models(plan.downloads[0].part)
    kept = {f"{folder}/{path}": str(piece["digest"]) for path, piece in PIECES.items()}
    fill(plan, *kept, f"{folder}/config.json.set-aside", "old-1/a", "old-1/b", "stray.gguf", "ours/x")
    fill(plan, ".incoming/.lock", ".incoming/00", part, f".incoming/{folder}/config.json")
    note(plan, {**kept, "old-1/a": "sha256:0", "old-1/b": "sha256:1"})
    return folder


def test_what_is_there_is_told(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    folder, found = lay(plan), told(plan, hosts["cpu"])
    part = plan.below_models(plan.downloads[0].part)
    rows = {one.path.removeprefix("models/"): one for one in found.held}
    assert {path: (one.what, one.services, one.verified, one.unused) for path, one in rows.items()} == {
        folder: ("folder", ("llama",), True, False),
        f"{folder}/config.json.set-aside": ("set-aside", (), None, True),
        "old-1": ("folder", (), True, True),
        "ours": ("folder", (), False, True),
        "stray.gguf": ("file", (), False, True),
        ".incoming/00": ("part", (), None, True),
        part: ("part", (), None, False),
        f".incoming/{folder}": ("part", (), None, False),
    }
    assert found.free_bytes == 100000 << 20
    assert found.bytes > 0


def test_purge_knows_the_same(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    lay(plan)
    stored = asked(Stored(), plan)
    left = unused(plan, stored)
    assert {*left} == {one.path for one in told(plan, hosts["cpu"]).held if one.unused}
    assert "data/redis" in stored
    assert refusals([*left], left, stored) == []
    (line,) = refusals(["models/.incoming"], left, stored)
    assert str(line) == "delete/models/.incoming: is not there; did you mean 'models/.incoming/00'?"


def test_a_file_that_was_changed_is_not_verified(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    folder = lay(plan)
    Path(plan.models_dir, folder, "config.json").write_text("other")
    Path(plan.models_dir, "old-1", "b").unlink()
    found = {one.path: one.verified for one in told(plan, hosts["cpu"]).held}
    assert (found[f"models/{folder}"], found["models/old-1"]) == (False, False)


def test_the_same_bytes_under_two_names_are_told_twice_and_counted_once(
    plan: Plan, hosts: dict[str, HostFacts]
) -> None:
    fill(plan, "a")
    Path(plan.models_dir, "a").write_bytes(bytes(range(256)) * 4096)
    alone = told(plan, hosts["cpu"])
    Path(plan.models_dir, "b").hardlink_to(Path(plan.models_dir, "a"))
    found = told(plan, hosts["cpu"])
    assert [one.path for one in found.held] == ["models/a", "models/b"]
    assert found.held[0].bytes == found.held[1].bytes == 1 << 20
    assert found.bytes - alone.bytes < 1 << 20


def test_nothing_is_called_unused_where_the_plan_is_not_known(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    fill(plan, "stray.gguf")
    blocked = planned(hosts["cpu"], "cpu", {"data_root": plan.root, "reserve_ram_mib": 10**6})
    found = told(blocked, hosts["cpu"])
    assert (found.state, [one.unused for one in found.held]) == ("blocked", [None])
    assert found.problems == tuple(map(str, blocked.blocked))
    later = planned(hosts["no-driver"], "single_gpu", {"data_root": plan.root, "driver": "install"})
    assert [one.unused for one in told(later, hosts["no-driver"]).held] == [None]


def test_what_could_go_is_told_where_there_is_no_room_alone(plan: Plan, hosts: dict[str, HostFacts]) -> None:
    fill(plan, "stray.gguf")
    for more in ({"reserve_disk_mib": 10**6}, {"models_max_mib": 0}):
        blocked = planned(hosts["cpu"], "cpu", {"data_root": plan.root, **more})
        assert blocked.blocked
        assert not blocked.unclear
        found = told(blocked, hosts["cpu"])
        assert (found.state, [one.unused for one in found.held]) == ("blocked", [True])


def test_what_a_limit_is_held_against_is_asked_where_there_is_one(plan: Plan) -> None:
    fill(plan, "stray.gguf", "a/b")
    for quota in ("", "1"):
        told = f"root={plan.root}; quota={quota}\n{HELD.script}"
        done = subprocess.run(["sh", "-c", told], capture_output=True, text=True, check=True)
        assert {*HELD.parse(done.stdout.splitlines())} == (
            {"models", "models/stray.gguf", "models/a"} if quota else set()
        )


def test_a_host_without_models_has_none(hosts: dict[str, HostFacts], tmp_path: Path) -> None:
    found = told(planned(hosts["cpu"], "cpu", {"data_root": str(tmp_path / "none")}), hosts["cpu"])
    assert (found.state, found.held, found.bytes) == ("known", (), 0)


FLEET = {
    "away": {"state": "failed", "problems": ["host: cannot be reached: Could not connect"]},
    "gpu1": {
        "state": "known",
        "root": "/srv/gpufleet",
        "bytes": 9_000_000_000,
        "free_bytes": 50_000_000_000,
        "held": [
            {"path": "models/ollama", "what": "store", "bytes": 5_000_000_000, "services": ["ollama"], "unused": False},
            {"path": "models/a b", "what": "file", "bytes": 4_000_000_000, "verified": True, "unused": True},
            {"path": "models/.incoming/00", "what": "part", "bytes": 1_000_000, "unused": False},
        ],
    },
}
PAGE = """\
away
  host: cannot be reached: Could not connect

gpu1  9.0 GB in /srv/gpufleet/models, 50.0 GB free
  PATH          SIZE    IS     VERIFIED  USED BY
  ollama        5.0 GB  store  -         ollama
  a b           4.0 GB  file   yes       nothing
  .incoming/00  1 MB    part   -         the next run
  4.0 GB used by nothing; to delete it, but for what you take out:
  pyinfra -y --limit gpu1 --data stack=ai-stack home.py gpufleet.deploys.purge 'delete=models/a b'

"""


@pytest.mark.parametrize(("names", "code"), [(["gpu1"], 0), (["gpu1", "away"], 1)])
def test_the_page_names_the_command_that_deletes(
    names: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("home.py").touch()
    found = Stock.model_validate({"hosts": {name: FLEET[name] for name in sorted(names)}})
    monkeypatch.setattr(import_module("gpufleet.cli.models"), "ask", lambda *_: found)
    assert cli.main(["models", "home.py", "--data", "stack=ai-stack"]) == code
    page = "".join(line.rstrip() + "\n" for line in capsys.readouterr().out.splitlines())
    assert page == PAGE if "away" in names else page in PAGE
    assert cli.main(["models", "home.py", "--json"]) == code
    assert Stock.model_validate(json.loads(capsys.readouterr().out)) == found
