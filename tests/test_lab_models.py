"""Models end to end: locked, fetched once for all hosts, verified, and never half there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import pytest

from gpufleet import cli
from gpufleet.schema import Stock
from tests.drive import ROOT, fresh
from tests.hub import publish
from tests.lab import Lab
from tests.lab.paths import GATEWAY
from tests.lab.running import free_port, running
from tests.lab.shell import until
from tests.wanting import FILE, FIRST, FOLDER, HOSTS, LATE, SECOND, TOKEN, WEIGHTS, Site

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root, catalog = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("catalog")
    publish(root, "acme/tiny", FOLDER)
    publish(root, "acme/gated", {"m.gguf": FILE}, gated=True, allowed=[TOKEN])
    port = free_port()
    command = (sys.executable, "-m", "tests.hub", root, str(port), "--address", GATEWAY)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with fresh(lab, dict.fromkeys(HOSTS, "cpu")) as fleet, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", TOKEN)
        with running(*command, cwd=root, port=port, address=GATEWAY, env=env):
            found = Site(fleet, catalog, f"http://{GATEWAY}:{port}")
            found.declare(chat={"repo": "acme/tiny"}, draw={"repo": "acme/gated", "file": "m.gguf"})
            yield found


def test_what_is_not_locked_is_refused_before_anything_is_touched(site: Site) -> None:
    run = site.fleet.converge("--limit", FIRST, *site.data)
    assert run.code == 1
    line = f"models/chat: acme/tiny@main is not in {site.folder}/gpufleet.lock; run `gpufleet lock INVENTORY`"
    assert line in run.output
    assert "Beginning operation run" not in run.output


def test_one_of_many_hosts_fetches_and_the_others_take_it_from_there(site: Site) -> None:
    assert site.lock() == 0
    site.sent()
    run = site.converge(*HOSTS[:-1])
    assert run.code == 0, run.output
    assert TOKEN not in run.output
    assert site.sent() == {**{name: len(data) for name, data in WEIGHTS.items()}, "m.gguf": len(FILE)}
    seen = site.files(FIRST)
    assert len(seen) == 5
    assert all(site.files(host) == seen for host in HOSTS[1:-1])


def test_then_there_is_nothing_to_do_and_nobody_is_asked(site: Site) -> None:
    before = {host: site.fleet.snapshot(host) for host in HOSTS[:-1]}
    assert site.converge(*HOSTS[:-1]).totals["success"] == 0
    assert {host: site.fleet.snapshot(host) for host in HOSTS[:-1]} == before
    assert site.sent() == {}


def test_a_new_host_takes_them_from_the_others(site: Site) -> None:
    run = site.converge(*HOSTS)
    assert run.code == 0, run.output
    assert site.sent() == {}
    assert site.files(LATE) == site.files(FIRST)
    for host in (FIRST, LATE):
        assert "gpufleet-offer" not in site.fleet.lab.run(host, "docker ps -a --format '{{.Names}}'").stdout


def test_alone_it_fetches_from_afar(site: Site) -> None:
    site.fleet.lab.run(LATE, "rm -r /srv/gpufleet/models/tiny-*")
    assert site.converge(LATE).code == 0
    assert site.sent() == {name: len(data) for name, data in WEIGHTS.items()}
    assert site.files(LATE) == site.files(FIRST)


def test_a_run_that_is_killed_and_started_again_ends_the_same(site: Site) -> None:
    lab = site.fleet.lab
    lab.run(LATE, "rm -r /srv/gpufleet/models/tiny-*")
    site.spoil("slow", "*.safetensors", rate=4_000_000)
    run = site.fleet.start("--limit", LATE, *site.data)
    part = "ls -s /srv/gpufleet/models/.incoming | grep -q '^ *[1-9][0-9]* [0-9a-f]'"
    until("a part of a model", lambda: lab.run(LATE, part, check=False).returncode == 0, 60)
    run.kill()
    run.wait()
    lab.run(LATE, "docker ps -q --filter label=gpufleet.fetcher | xargs -r docker kill -s KILL")
    assert not [line for line in site.files(LATE) if "tiny" in line]
    site.mend()
    assert site.converge(LATE).code == 0
    assert site.files(LATE) == site.files(FIRST)
    sent = site.sent()
    assert all(size <= len(WEIGHTS[name]) + (4 << 20) for name, size in sent.items()), sent
    assert site.converge(LATE).totals["success"] == 0


def test_a_download_goes_on_without_the_run_that_began_it(site: Site) -> None:
    """The next run waits for it, and fetches nothing twice."""
    lab = site.fleet.lab
    lab.run(LATE, "rm -r /srv/gpufleet/models/tiny-*")
    site.spoil("slow", "*.safetensors", rate=2_000_000)
    run = site.fleet.start("--limit", LATE, *site.data)
    until("a fetcher", lambda: bool(lab.run(LATE, "docker ps -q --filter label=gpufleet.fetcher").stdout), 60)
    time.sleep(1)
    run.kill()
    run.wait()
    run_again = site.converge(LATE)
    site.mend()
    assert run_again.code == 0, run_again.output
    assert site.files(LATE) == site.files(FIRST)
    assert site.sent() == {name: len(data) for name, data in WEIGHTS.items()}


def test_a_file_that_rots_is_found_where_its_time_tells(site: Site) -> None:
    path = "/srv/gpufleet/models/tiny-*/model-2.safetensors"
    site.fleet.lab.run(SECOND, f"printf rot | dd of=$(echo {path}) conv=notrunc status=none")
    run = site.converge(SECOND)
    assert run.code == 0, run.output
    assert "set aside as model-2.safetensors.set-aside" in run.output
    assert site.sent() == {"model-2.safetensors": 12_000_000}
    site.fleet.lab.run(SECOND, f"rm {path}.set-aside")
    assert site.files(SECOND) == site.files(FIRST)


def test_a_file_that_rots_in_silence_is_found_by_a_deep_look(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    folder, name = "/srv/gpufleet/models/tiny-*", "model-2.safetensors"
    rot = f"cd {folder}; touch -r {name} /tmp/then; printf rot | dd of={name} conv=notrunc status=none"
    site.fleet.lab.run(SECOND, f"{rot}; touch -r /tmp/then {name}")
    assert site.converge(SECOND).totals["success"] == 0, "nobody sees it"
    command = ["models", "inventory/lab.py", "--limit", FIRST, "--limit", SECOND, *site.data]
    assert cli.main(command) == 0
    capsys.readouterr()
    assert cli.main([*command, "--deep", "--json"]) == 1
    told = capsys.readouterr()
    hosts = Stock.model_validate_json(told.out).hosts
    assert hosts[FIRST].wrong == ()
    (line,) = hosts[SECOND].wrong
    assert line.endswith(f"{name}: has other bytes than it should; the next run sets it aside, and fetches it anew")
    assert f"[{SECOND}] models: 41 of 41 MB read" in told.err
    run = site.converge(SECOND)
    assert run.code == 0, run.output
    assert f"set aside as {name}.set-aside" in run.output
    site.sent()
    site.fleet.lab.run(SECOND, f"rm {folder}/{name}.set-aside")
    assert site.files(SECOND) == site.files(FIRST)
    assert cli.main([*command, "--deep"]) == 0


def test_the_token_is_nowhere_but_in_env(site: Site) -> None:
    lab = site.fleet.lab
    assert lab.run(FIRST, "stat -c '%a %u' /srv/gpufleet/.env").stdout == "600 0\n"
    found = lab.run(FIRST, f"grep -rlF {TOKEN} /srv/gpufleet /var/lib/docker/containers /var/log /tmp /etc 2>/dev/null")
    assert found.stdout == "/srv/gpufleet/.env\n"


def test_models_on_a_share_that_is_linked_to(site: Site) -> None:
    """A small one: what does not fit is refused before, and nothing is lost."""
    lab = site.fleet.lab
    lab.run(LATE, "docker ps -q | xargs docker rm -f; rm -r /srv/gpufleet/models; mkdir /mnt/share")
    lab.run(LATE, "mount -t tmpfs -o size=30m tmpfs /mnt/share; ln -s /mnt/share /srv/gpufleet/models")
    small = site.fleet.converge("--limit", LATE, *site.data, "--data", "reserve_disk_mib=0")
    assert small.code == 1
    assert "/srv/gpufleet/models: 30 MiB free, " in small.output
    assert lab.run(LATE, "ls -A /mnt/share").stdout == ""
    lab.run(LATE, "mount -o remount,size=100m /mnt/share")
    run = site.fleet.converge("--limit", LATE, *site.data, "--data", "reserve_disk_mib=0")
    assert run.code == 0, run.output
    assert site.files(LATE) == site.files(FIRST)
    assert lab.run(LATE, "readlink /srv/gpufleet/models").stdout == "/mnt/share\n"


def test_what_two_programs_use_takes_room_once(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Also under another name: a file of the folder that one has whole."""
    lab, models = site.fleet.lab, "/srv/gpufleet/models"
    before = int(lab.run(SECOND, f"du -sk {models}").stdout.split()[0])
    one = {"repo": "acme/tiny", "file": "model-1.safetensors"}
    site.declare("holder", "other", chat={"repo": "acme/tiny"}, draw={"repo": "acme/gated", "file": "m.gguf"}, one=one)
    assert site.lock() == 0
    site.sent()
    run = site.converge(SECOND)
    assert run.code == 0, run.output
    assert site.sent() == {}
    assert int(lab.run(SECOND, f"du -sk {models}").stdout.split()[0]) - before < 100
    inode = "docker exec models-{}-1 sh -c 'stat -c %i /models/tiny-*/model-1.safetensors /models/model-1.safetensors'"
    seen = [lab.run(SECOND, inode.format(name)).stdout.split() for name in ("holder", "other")]
    assert len({*seen[0], *seen[1]}) == 1, seen
    capsys.readouterr()
    assert cli.main(["models", "inventory/lab.py", "--limit", SECOND, *site.data, "--json"]) == 0
    host = Stock.model_validate_json(capsys.readouterr().out).hosts[SECOND]
    assert all(h.services == ("holder", "other") and h.verified for h in host.held)
    assert host.bytes < sum(h.bytes for h in host.held) - 11_000_000
    site.declare(chat={"repo": "acme/tiny"}, draw={"repo": "acme/gated", "file": "m.gguf"})
    assert site.lock() == 0


def test_what_is_there_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    lab = site.fleet.lab
    lab.run(FIRST, "touch /srv/gpufleet/models/stray.gguf /srv/gpufleet/models/.incoming/00")
    before = site.fleet.snapshot(FIRST)
    command = ["models", "inventory/lab.py", "--limit", FIRST, *site.data]
    assert cli.main([*command, "--json"]) == 0
    host = Stock.model_validate_json(capsys.readouterr().out).hosts[FIRST]
    held = {one.path.removeprefix("models/"): one for one in host.held}
    (folder,) = (path for path in held if path.startswith("tiny-"))
    assert held.keys() == {folder, "m.gguf", "stray.gguf", ".incoming/00"}
    for path, what in ((folder, "folder"), ("m.gguf", "file")):
        one = held[path]
        assert (one.what, one.services, one.verified, one.unused) == (what, ("holder",), True, False)
    assert {path for path, one in held.items() if one.unused} == {"stray.gguf", ".incoming/00"}
    assert cli.main(command) == 0
    page = capsys.readouterr().out
    delete = "delete=models/.incoming/00,models/stray.gguf"  # of the same size, by name
    assert delete in page
    assert TOKEN not in page
    assert site.fleet.snapshot(FIRST) == before
    purge = ("-y", "inventory/lab.py", "--limit", FIRST, *site.data, "gpufleet.deploys.purge")
    assert site.fleet.pyinfra(*purge, delete).code == 0
    gone = "ls /srv/gpufleet/models/stray.gguf /srv/gpufleet/models/.incoming/00 2>/dev/null"
    assert lab.run(FIRST, gone, check=False).stdout == ""
