"""`gpufleet bundle`, against a Hub and a registry with faults."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gpufleet.cli.bundling.contents import contents
from gpufleet.cli.bundling.images import SUFFIXES
from gpufleet.plan import want
from tests.bundling import LAYER, Bundling, digest
from tests.hub import publish
from tests.lab import pypi
from tests.lab.shell import until
from tests.locking import BASE, FILES, IMAGES, TOKEN, Site

MODEL = "model.safetensors"
SIZE = len(LAYER["engine"])
TAKEN = {path: FILES[path] for path in ("config.json", MODEL)}


@pytest.fixture
def bundling(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundling:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_INDEX_URL", f"file://{pypi.index()}/simple")
    found = Bundling(site, tmp_path / "out")
    found.publish()
    site.hub.log.clear()
    return found


def test_all_that_is_locked_is_there_and_a_second_run_fetches_nothing(bundling: Bundling) -> None:
    code, out, err = bundling.run()
    assert (code, err) == (0, [])
    assert out == [f"{bundling.out}: 4 files of models (5 MB), 4 images (5 MB), 15 wheels (8 MB); 16 MB of it new"]
    assert bundling.known == []
    seen, commit = bundling.seen, bundling.site.locked.models["acme/tiny@main"].revision
    for path, data in TAKEN.items():
        assert digest(seen[f"acme/tiny/resolve/{commit}/{path}"]) == digest(data)
    for name in ("base", "engine", "weights"):
        assert digest(seen[f"blobs/{digest(LAYER[name]).replace(':', '/')}"]) == digest(LAYER[name])
    assert digest(LAYER["arm"]).replace(":", "/") not in {p.removeprefix("blobs/") for p in seen}
    assert bundling.told.images[IMAGES[0]].platforms == ("linux/amd64",)
    assert bundling.told.images.keys() == {BASE, *IMAGES}
    assert all(count == len(bundling.site.registry.blobs[d]) for d, count in bundling.site.registry.sent.items())
    sent = bundling.sent
    bundling.site.registry.asked.clear()
    assert bundling.run()[:2] == (0, [out[0].replace("16 MB of it new", "nothing new")])
    assert (bundling.sent, bundling.site.registry.asked) == (sent, [])
    assert bundling.seen.keys() == seen.keys()


def test_manifests_say_their_kind_by_name_and_tag(bundling: Bundling) -> None:
    bundling.run()
    kinds = {}
    for path, data in bundling.seen.items():
        if path.startswith("v2/") and path.count(":") == 0:
            name, _, suffix = path.rpartition("/")[2].rpartition(".")
            kinds[path.rpartition("/manifests/")[0], suffix, len(name) == 64] = data
            assert len(name) < 64 or digest(data) == f"sha256:{name}"
    assert {(name, suffix) for name, suffix, _ in kinds} == {
        ("v2/docker.io/library/python", "oci-index"),
        ("v2/docker.io/library/python", "oci-manifest"),
        ("v2/docker.io/team/engine", "oci-index"),
        ("v2/docker.io/team/engine", "oci-manifest"),
        ("v2/ghcr.io/team/puller", "oci-index"),
        ("v2/ghcr.io/team/puller", "oci-manifest"),
        ("v2/ghcr.io/team/puller", "docker-manifest"),
    }
    template = Path(__file__).parent.parent / "templates/cache/bundle.conf.j2"
    assert all(f"{kind} {suffix};" in template.read_text() for kind, suffix in SUFFIXES.items())


def test_what_is_not_locked_is_refused_before_anything_is_asked(bundling: Bundling) -> None:
    Path("gpufleet.lock").unlink()
    code, out, err = bundling.run()
    fix = "run `gpufleet lock INVENTORY`, and commit the file"
    assert (code, out, len(err)) == (3, [], 6)
    assert f"gpufleet bundle: models/chat: acme/tiny@main is not in gpufleet.lock; {fix}" in err
    assert f"gpufleet bundle: models/small: tiny:1b is not in gpufleet.lock; {fix}" in err
    assert f"gpufleet bundle: services/engine/image/cpu: {IMAGES[0]} is not in gpufleet.lock; {fix}" in err
    assert not bundling.out.exists()
    code, _, err = bundling.run("--limit", "b.example")
    assert (code, len(err)) == (3, 3), "of the host without the puller"
    assert bundling.run("--limit", "none")[0] == 64


def test_only_a_directory_of_its_own_is_written_to(bundling: Bundling) -> None:
    bundling.out.mkdir()
    (bundling.out / "mine").write_text("mine")
    line = f"gpufleet bundle: {bundling.out}: is there, and is no bundle; choose another directory"
    assert bundling.run()[::2] == (3, [line])
    assert [*bundling.out.iterdir()] == [bundling.out / "mine"]


@pytest.mark.parametrize("login", [False, True])
def test_what_is_cut_off_is_gone_on_with(bundling: Bundling, login: bool) -> None:
    registry = bundling.site.registry
    registry.login = login
    blob = digest(LAYER["engine"])
    registry.faults.add("cut", blob, after=600_000, times=2)
    bundling.site.hub.faults.add("cut", MODEL, after=700_000, times=2)
    code, _, err = bundling.run(services={"puller": not login})
    assert code == 0, err
    assert registry.sent[blob] == SIZE
    # What came of a chunk that was cut off may be asked for again.
    assert bundling.site.hub.sent(MODEL) <= len(FILES[MODEL]) + 2 * (1 << 20)


def test_bytes_that_are_wrong_are_never_seen(bundling: Bundling) -> None:
    registry, blob = bundling.site.registry, digest(LAYER["engine"])
    registry.faults.add("wrong", blob, times=1)
    bundling.site.hub.faults.add("wrong", MODEL, times=1)
    assert bundling.run()[0] == 0
    assert digest(bundling.seen[f"blobs/{blob.replace(':', '/')}"]) == blob


def test_what_stays_wrong_is_one_line_and_all_else_is_written(bundling: Bundling) -> None:
    registry, blob = bundling.site.registry, digest(LAYER["engine"])
    registry.faults.add("wrong", blob)
    bundling.site.hub.faults.add("wrong", MODEL)
    code, out, err = bundling.run()
    assert (code, len(err)) == (1, 2)
    assert MODEL in err[0]
    assert "its source has other bytes than it should" in err[0]
    what = f"{registry.at} gives other bytes of {blob[:19]} than it should; check `mirrors.registry`, and run again"
    assert err[1] == f"gpufleet bundle: images/{IMAGES[0]}: {what}"
    assert out[-1].startswith(f"{bundling.out}: 3 files of models (3 MB), 3 images")
    assert bundling.told.images.keys() == {BASE, *IMAGES[1:]}
    seen = bundling.seen
    assert not any(path.endswith(MODEL) or path.startswith("v2/docker.io/team/") for path in seen)
    assert f"blobs/{blob.replace(':', '/')}" not in seen
    registry.faults.clear()
    bundling.site.hub.faults.clear()
    assert bundling.run()[0] == 0


def test_a_range_that_is_ignored_is_no_harm(bundling: Bundling) -> None:
    registry, blob = bundling.site.registry, digest(LAYER["engine"])
    registry.faults.add("cut", blob, after=600_000, times=1)
    registry.faults.add("whole", blob, times=1)
    assert bundling.run()[0] == 0
    assert registry.sent[blob] == 600_000 + SIZE


@pytest.mark.parametrize("all_of_it", [True, False])
def test_killed_and_run_again_nothing_comes_twice(bundling: Bundling, all_of_it: bool) -> None:
    registry, blob = bundling.site.registry, digest(LAYER["engine"])
    registry.faults.add("slow", blob, rate=400_000, times=1)
    with bundling.start() as child:
        part = bundling.out / ".incoming" / blob.partition(":")[2]
        until("some of it", lambda: part.exists() and part.stat().st_size > 300_000, 60)
        busy = f"gpufleet bundle: {bundling.out}: another `gpufleet bundle` writes there; wait until it has ended"
        assert bundling.run()[::2] == (3, [busy])
        os.killpg(child.pid, signal.SIGKILL) if all_of_it else child.kill()
        child.wait()
    assert not any(path.startswith("v2/") for path in bundling.seen)
    came, before = part.stat().st_size, registry.sent[blob]
    assert bundling.run()[0] == 0
    again, slack = registry.sent[blob] - before, 200_000  # what was on its way when it was killed
    assert again <= SIZE - came + slack
    assert bundling.site.hub.sent(MODEL) == len(FILES[MODEL])


def test_killed_while_models_come(bundling: Bundling) -> None:
    hub = bundling.site.hub
    hub.faults.add("slow", MODEL, rate=1_000_000, times=1)
    with bundling.start() as child:
        until("some of it", lambda: hub.sent(MODEL) > 200_000, 60)
        child.kill()  # the program that fetches goes on, and the next run waits for it
        child.wait()
    assert bundling.run()[0] == 0
    assert any(path.endswith(MODEL) and data == FILES[MODEL] for path, data in bundling.seen.items())


def test_a_gated_model_wants_the_token_which_is_nowhere_else(
    bundling: Bundling, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(bundling.site.hub.root, "acme/tiny", FILES, gated=True, allowed=[TOKEN])
    code, _, err = bundling.run()
    assert (code, len(err)) == (1, 2)
    assert "is gated; accept its terms at" in err[0]
    monkeypatch.setenv("MINE", TOKEN)
    code, out, err = bundling.run(secrets={"HF_TOKEN": "env:MINE"})
    assert (code, err) == (0, [])
    assert TOKEN not in "".join(out)
    assert not any(TOKEN.encode() in p.read_bytes() for p in bundling.out.rglob("*") if p.is_file())


def test_other_processors(bundling: Bundling) -> None:
    code, _, err = bundling.run("--arch", "arm64")
    assert (code, len(err)) == (1, 2)
    assert err[0] == f"gpufleet bundle: images/{IMAGES[1]}: has nothing for linux/arm64; choose another --arch"
    assert err[1].startswith("gpufleet bundle: wheels: No matching distribution found for hf-xet==")
    assert bundling.told.images[IMAGES[0]].platforms == ("linux/arm64",)


def test_what_nobody_can_bring_along_is_told() -> None:
    off = dict.fromkeys(
        ("image-cache", "images-docker", "images-ghcr", "images-quay", "images-nvcr", "package-cache"), False
    )
    told = contents([want(["cache"], {"services": off})])
    assert (told.images, [*told.alone]) == ({}, ["hub-cache: is built on hosts"])


def test_ctrl_c_ends_it_at_once(bundling: Bundling) -> None:
    blob = digest(LAYER["engine"])
    bundling.site.registry.faults.add("slow", blob, rate=40_000, times=1)
    with bundling.start() as child:
        part = bundling.out / ".incoming" / blob.partition(":")[2]
        until("some of it", lambda: part.exists() and part.stat().st_size > 10_000, 60)
        os.killpg(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=20)
    assert child.returncode == 1
    assert b"Traceback" not in err
    assert bundling.run()[0] == 0


def test_what_a_registry_has_not(bundling: Bundling) -> None:
    registry = bundling.site.registry
    registry.blobs.pop(digest(LAYER["engine"]))
    code, _, err = bundling.run()
    line = f"gpufleet bundle: images/{IMAGES[0]}: {registry.at} has no {IMAGES[0]}; check the name and the tag"
    assert (code, err) == (1, [line])
