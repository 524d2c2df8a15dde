"""Ollama's models end to end: what is locked is put there whole, once, and by one writer; files of ours are shared."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import pytest

from tests.drive import ROOT, fresh
from tests.lab import Lab
from tests.lab.paths import GATEWAY, RUN
from tests.lab.running import free_port, running
from tests.lab.services import MODELS
from tests.lab.shell import until
from tests.ollama_site import AT, CARD, FILE, FIRST, IMAGES, LICENCE, MANIFEST, NAME, SECOND, Site

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, log, port = tmp_path_factory.mktemp("catalog"), tmp_path_factory.mktemp("registry"), free_port()
    command = (sys.executable, "-m", "tests.ollamas", str(port), "--address", GATEWAY)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        fresh(lab, {FIRST: "cpu", SECOND: "cpu", CARD: "rtx4090"}) as fleet,
        running(*command, cwd=log, port=port, address=GATEWAY, env=env),
    ):
        found = Site(fleet, folder, f"http://{GATEWAY}:{port}")
        found.declare()
        found.publish(license=LICENCE)
        yield found


def test_what_is_locked_comes_once_for_all_hosts_and_has_its_digest(site: Site) -> None:
    digest = site.lock()
    site.asked()
    run = site.converge(FIRST, SECOND)
    assert run.code == 0, run.output
    assert len(LICENCE) < site.sent() < 2 * len(LICENCE)
    for host in (FIRST, SECOND):
        assert site.on(host, f"sha256sum <{MANIFEST}").split()[0] == digest
        for service in ("ollama", "more"):
            assert site.listed(host, service)[NAME] == digest[:12]
            assert site.listed(host, service, "ps")[NAME] == digest[:12], "it is loaded"


def test_then_there_is_nothing_to_do_and_nobody_is_asked(site: Site) -> None:
    site.same(FIRST)


def test_a_file_of_ours_is_a_model_of_ollamas_and_takes_no_room_twice(site: Site) -> None:
    size = json.loads((RUN / "models.json").read_text())[FILE]["bytes"]
    one, two = (
        int(site.on(FIRST, f"du -sk {options} /srv/gpufleet/models").split()[0]) * 1024 for options in ("-l", "")
    )
    assert one - two >= size, "counted with each of its names it is more"
    inode = f"stat -c %i /srv/gpufleet/models/{FILE} $(grep -l . {AT}/blobs/sha256-{_digest(FILE)})"
    assert len(set(site.on(FIRST, inode).split())) == 1
    body = json.dumps({"model": "lab-other:latest", "messages": [{"role": "user", "content": "?"}], "stream": False})
    ask = "curl -fsS http://$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' site-more-1)"
    assert MODELS[FILE] in site.on(FIRST, f"{ask}:11434/api/chat -d '{body}'")


def _digest(file: str) -> str:
    return str(json.loads((RUN / "models.json").read_text())[file]["sha256"])


def test_a_run_that_is_killed_goes_on_where_it_was(site: Site) -> None:
    site.on(FIRST, f"rm -r {AT}")
    site.asked()
    site.post("_rate", 2_000_000)
    run = site.fleet.start("--limit", FIRST, *site.data)
    part = "find /srv/gpufleet/models/.incoming -type f -size +4000k | grep -q ."
    until("a part of a blob", lambda: site.fleet.lab.run(FIRST, part, check=False).returncode == 0, 60)
    run.kill()
    run.wait()
    site.on(FIRST, "docker ps -q --filter label=gpufleet.fetcher | xargs -r docker kill -s KILL")
    assert NAME not in site.listed(FIRST), "no half of it is seen"
    site.post("_rate", 0)
    again = site.converge(FIRST)
    assert again.code == 0, again.output
    assert site.sent() < len(LICENCE) + (8 << 20)
    site.same(FIRST)


def test_a_blob_that_rots_is_found_and_fetched_anew(site: Site) -> None:
    blob = site.on(FIRST, f"ls -S {AT}/blobs | head -n 1").strip()
    site.on(FIRST, f"printf rot | dd of={AT}/blobs/{blob} conv=notrunc status=none")
    run = site.converge(FIRST)
    assert run.code == 0, run.output
    assert f"models/ollama/models/blobs/{blob}, of {NAME}: has other bytes than it should; set aside" in run.output
    assert site.on(FIRST, f"sha256sum <{AT}/blobs/{blob}").split()[0] == blob.removeprefix("sha256-")
    site.on(FIRST, f"rm {AT}/blobs/*.set-aside")
    site.same(FIRST)


def test_a_restart_throws_nothing_away(site: Site) -> None:
    """What no manifest names yet, because another one is pulling it."""
    stray = f"{AT}/blobs/sha256-{'0' * 64}"
    site.on(FIRST, f"echo part >{stray}; touch -d '3 hours ago' {stray}; docker restart site-more-1")
    again = site.converge(FIRST)
    assert again.code == 0, again.output
    assert site.on(FIRST, f"cat {stray}; rm {stray}") == "part\n"
    bare = f"docker run -d --rm --name bare -e OLLAMA_NOPRUNE= -v {AT}:/root/.ollama/models {IMAGES['ollama']}"
    gone = f"for n in $(seq 60); do test -e {stray} || break; sleep 0.5; done; docker rm -f bare; test ! -e {stray}"
    site.on(FIRST, f"echo part >{stray}; touch -d '3 hours ago' {stray}; {bare}; {gone}")  # without it, it would
    site.same(FIRST)


def test_a_tag_that_moves_is_not_taken_before_it_is_locked_anew(site: Site) -> None:
    old = site.lock()
    new = site.publish(FILE, license="short")
    site.same(FIRST)
    assert site.lock("--upgrade", NAME) == new != old
    run = site.converge(FIRST)
    assert run.code == 0, run.output
    for service in ("ollama", "more"):
        assert (site.listed(FIRST, service)[NAME], site.listed(FIRST, service, "ps")[NAME]) == (new[:12], new[:12])
    site.same(FIRST)


def test_what_somebody_pulled_meanwhile_is_kept_under_another_tag(site: Site) -> None:
    digest = site.lock()
    site.on(FIRST, f"docker exec site-ollama-1 ollama pull {NAME}")
    theirs = site.listed(FIRST)[NAME]
    assert theirs != digest[:12]
    run = site.converge(FIRST)
    assert run.code == 0, run.output
    assert f"/library/tiny/1b, of {NAME}: has other bytes than it should; set aside as 1b.set-aside" in run.output
    assert site.listed(FIRST) | {NAME: digest[:12], "tiny:1b.set-aside": theirs} == site.listed(FIRST)
    site.on(FIRST, f"rm {MANIFEST}.set-aside")
    site.same(FIRST)


def test_a_directory_of_ollamas_that_is_a_link_to_another_disk(site: Site) -> None:
    """There it is a copy, and that is said."""
    site.on(SECOND, "docker ps -q | xargs docker rm -f; rm -r /srv/gpufleet/models/ollama; mkdir /mnt/disk")
    site.on(SECOND, "mount -t tmpfs -o size=100m tmpfs /mnt/disk; ln -s /mnt/disk /srv/gpufleet/models/ollama")
    run = site.converge(SECOND)
    assert run.code == 0, run.output
    assert f"blobs/sha256-{_digest(FILE)}: copied, as it is on another file system" in run.output
    assert site.listed(SECOND)["lab-other:latest"]
    site.same(SECOND)


def test_a_resident_that_is_not_on_its_card_is_told(site: Site) -> None:
    run = site.converge(CARD)
    assert run.code == 0, run.output
    site.same(CARD)
    site.on(CARD, "touch /srv/gpufleet/models/ollama/lab-on-cpu")
    doctor = site.fleet.pyinfra("-y", "inventory/lab.py", "--limit", CARD, *site.data, "gpufleet.deploys.doctor")
    assert "GPU-ON-CPU" in doctor.output
    assert "100% CPU" in doctor.output
    run = site.converge(CARD)
    assert run.code == 1
    assert f"{NAME} is not on its card alone" in run.output
