"""`gpufleet lock`, against a Hub and a registry: the command, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpufleet import cli
from gpufleet.cli.locking import needs
from tests.hub import publish
from tests.locking import BASE, FILES, IMAGES, Site, served


def test_all_is_locked_once_and_stays(site: Site) -> None:
    code, out, err = site.run()
    assert (code, err) == (0, [])
    assert [line.split()[:2] for line in out] == [
        ["added", BASE],
        ["added", "docker.io/team/engine:1.0"],
        ["added", "ghcr.io/team/puller:2.0"],
        ["added", "ghcr.io/team/puller:2.0-cuda"],
        ["added", "acme/tiny@main"],
        ["added", "tiny:1b"],
    ]
    model = site.locked.models["acme/tiny@main"]
    assert {path: piece.digest[:4] for path, piece in model.files.items()} == {
        "config.json": "git:",
        "model.safetensors": "sha2",
    }
    assert (model.licence, model.gated, model.architecture.head_dim) == ("apache-2.0", False, 16)
    assert site.locked.pulls["tiny:1b"].bytes == 711
    before, asked = Path("gpufleet.lock").read_text(), len(site.hub.log)
    assert before.startswith("# Written by `gpufleet lock`")
    assert site.run() == (0, ["gpufleet.lock: nothing to change"], [])
    assert (Path("gpufleet.lock").read_text(), len(site.hub.log)) == (before, asked), "nobody was asked"


def test_what_moved_stays_until_it_is_upgraded(site: Site) -> None:
    site.run()
    first = site.locked
    commit = publish(site.hub.root, "acme/tiny", {**FILES, "config.json": b"{}"})
    site.registry.publish(IMAGES[0], 101)
    assert site.run()[0] == 0
    assert site.locked == first
    line = f"changed  acme/tiny@main  {first.models['acme/tiny@main'].revision[:12]} (2 files, 3 MB) -> {commit[:12]}"
    assert site.run("--upgrade", "chat") == (0, [f"{line} (2 files, 3 MB), other numbers for memory"], [])
    assert site.locked.models["acme/tiny@main"].architecture is None
    code, out, _ = site.run("--upgrade")
    assert (code, [line.split()[:2] for line in out]) == (0, [["changed", IMAGES[0]]])
    code, _, err = site.run("--upgrade", "chatt")
    assert (code, err) == (
        64,
        ["gpufleet lock: --upgrade: no host needs 'chatt'; did you mean 'chat'? See gpufleet lock --help"],
    )


def test_check_asks_nobody_and_tells_what_is_missing_and_unused(site: Site) -> None:
    assert site.run("--check")[:2] == (
        2,
        [f"missing  {name} in gpufleet.lock" for name in (BASE, *IMAGES, "acme/tiny@main", "tiny:1b")],
    )
    assert not Path("gpufleet.lock").exists()
    site.run()
    asked = (len(site.hub.log), len(site.registry.asked))
    assert site.run("--check") == (0, ["gpufleet.lock: up to date"], [])
    told = site.run("--check", models={"chat": "other"})
    assert told == (2, ["missing  acme/other@main in gpufleet.lock", "unused   acme/tiny@main in gpufleet.lock"], [])
    assert (len(site.hub.log), len(site.registry.asked)) == asked


def test_what_nobody_needs_goes(site: Site) -> None:
    site.run()
    code, out, _ = site.run(services={"puller": False})
    assert (code, out) == (0, [f"removed  {name}" for name in (*IMAGES[1:], "tiny:1b")])
    assert site.run("--check", services={"puller": False})[0] == 0


def test_one_file_by_two_spellings_is_one(site: Site) -> None:
    assert site.run(lock="./gpufleet.lock")[0] == 0
    assert site.run("--check")[0] == 0


def test_nothing_is_looked_up_again_by_a_check(site: Site) -> None:
    assert site.run("--check", "--upgrade")[0] == 64


@pytest.mark.parametrize(
    ("inventory", "code", "line"),
    [
        ("cpu = []\n", 64, "INVENTORY: inventory.py has no hosts; write them into groups: cpu = ['HOST']"),
        ("cpu = [\n", 64, "INVENTORY: inventory.py:1: SyntaxError: '[' was never closed"),
        ("print('hello')\ncpu = [('h', {'stak': 1})]\n", 3,
         "h: group_data/stak: unknown key 'stak'; did you mean 'stack'?"),
    ],
)  # fmt: skip
def test_an_inventory_or_a_host_that_is_wrong(site: Site, inventory: str, code: int, line: str) -> None:
    Path("inventory.py").write_text(inventory)
    told = site.run()
    assert told[::2] == (code, [f"gpufleet lock: {line}"])
    assert not Path("gpufleet.lock").exists()


def test_a_lock_that_is_malformed_or_cannot_be_written(site: Site) -> None:
    assert site.run(lock="none/gpufleet.lock")[::2] == (
        1,
        ["gpufleet lock: none/gpufleet.lock: cannot be written: no such file or directory; check the setting `lock`"],
    )
    Path("gpufleet.lock").write_text("version: 1\nmodels: []\n")
    code, _, err = site.run()
    assert (code, err) == (3, ["gpufleet lock: gpufleet.lock/models: [] is not accepted; write `key: value` pairs"])


HOSTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "models": st.sampled_from([{"chat": "other"}, {"chat": {"repo": "acme/tiny", "only": ["*.json"]}}]),
            "services": st.just({"puller": True}),
        },
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=8)
@given(data=HOSTS, order=st.randoms(use_true_random=False))
def test_a_second_run_changes_nothing_and_the_order_of_hosts_neither(
    data: list[dict[str, Any]], order: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch, served(tmp_path_factory.mktemp("law"), patch) as common:
        hosts = [{"name": f"h{n}", "groups": ["cpu"], "data": {**common[2], **own}} for n, own in enumerate(data)]
        patch.setattr(needs, "of_inventory", lambda *_: hosts)
        assert cli.main(["lock", "any"]) == 0
        first = Path("gpufleet.lock").read_text()
        assert cli.main(["lock", "any"]) == 0
        assert Path("gpufleet.lock").read_text() == first
        order.shuffle(hosts)
        Path("gpufleet.lock").unlink()
        assert cli.main(["lock", "any"]) == 0
        assert Path("gpufleet.lock").read_text() == first
