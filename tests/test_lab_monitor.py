"""A host that watches others: its targets follow the inventory, and nothing is started anew for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from gpufleet.schema.forecast import Forecast
from tests.conftest import CASES
from tests.declared import write
from tests.drive import ENV, ROOT, Fleet, Run, fresh
from tests.lab import Lab
from tests.lab.paths import GATEWAY
from tests.lab.shell import until
from tests.lab.stacks import give
from tests.test_lab_plan import plan

pytestmark = pytest.mark.lab
WATCH, CARD, LATE = "livewatch", "livecard", "livelate"
LIVE = "/srv/gpufleet/releases/.live"
STACK = {
    "title": "one queue",
    "services": {
        "redis": {"service": "redis"},
        "redis-exporter": {"service": "redis-exporter", "share": 9121, "depends_on": ["redis"]},
    },
}
# Not the lab's own: there a monitor would be one of every other host, too.
INVENTORY = f"""
import runpy
_lab = runpy.run_path("{ROOT}/inventory/lab.py")
_data = dict([*_lab["cpu"], *_lab["single_gpu"]])
monitor, single_gpu = [("{WATCH}", _data["{WATCH}"])], [("{CARD}", _data["{CARD}"])]
"""
OWN = {(job, WATCH) for job in ("prometheus", "alertmanager", "loki", "grafana", "alloy", "node", "network")}
NEAR = {(job, CARD) for job in ("node", "network", "redis", "gpu")}
FAR = {(job, LATE) for job in ("node", "network", "redis")}


@dataclass
class Watched:
    """A host that watches, one with a card, and perhaps another one; ``told``: what was posted, by path."""

    fleet: Fleet
    folder: Path
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hook: str = ""

    def declare(self, late: bool = False, **data: Any) -> None:
        write(self.folder, "one", STACK)
        options = {"alertmanager": {"webhook": True}, **data.pop("options", {})}
        secrets = {"ALERT_WEBHOOK": "env:HOOK"}
        stack = str(self.folder / "one.yaml")
        give(WATCH, "cpu", stack, options=options, secrets=secrets, **data)
        give(CARD, "rtx4090", stack)
        give(LATE, "cpu", stack)
        more = f'cpu = [("{LATE}", _data["{LATE}"])]\n' if late else ""
        (self.folder / "watched.py").write_text(INVENTORY + more)

    def converge(self) -> Run:
        inventory = str(self.folder / "watched.py")
        return self.fleet.pyinfra("--json", "-y", inventory, "deploy.py", env={"HOOK": self.hook})

    def foretold(self) -> Forecast:
        run = plan(self.fleet, "--json", inventory=str(self.folder / "watched.py"))
        return Forecast.model_validate_json(run.stdout)

    def run(self, command: str) -> str:
        return self.fleet.lab.run(WATCH, command).stdout

    def docker(self, service: str, command: str) -> str:
        return self.run(f"docker exec one-{service}-1 {command}")

    def asked(self, path: str) -> Any:
        """What Prometheus answers."""
        return json.loads(self.docker("prometheus", f"wget -qO- 'http://127.0.0.1:9090/api/v1/{path}'"))["data"]

    def targets(self) -> dict[tuple[str, str], str]:
        """By job and host how each target is."""
        there = self.asked("targets?state=active")["activeTargets"]
        return {(t["labels"]["job"], t["labels"]["host"]): t["health"] for t in there}

    def sees(self, *wanted: tuple[str, str]) -> None:
        """Until it has these targets and no others, and each answers."""
        until("targets", lambda: self.targets() == dict.fromkeys(wanted, "up"), 60)

    def containers(self) -> dict[str, str]:
        """By name what is a container's own: its id, when it was started, how often it was again."""
        return self.fleet.snapshot(WATCH).containers


@pytest.fixture(scope="module")
def watched(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with fresh(lab, {WATCH: "cpu", CARD: "rtx4090", LATE: "cpu"}) as fleet:
        site = Watched(fleet, tmp_path_factory.mktemp("watched"))

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                site.told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(200)
                self.end_headers()

        with ThreadingHTTPServer((GATEWAY, 0), Receiver) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            site.hook = f"http://{GATEWAY}:{server.server_port}/secret-of-mine"
            site.declare()
            run = site.converge()
            assert run.code == 0, run.output
            site.docker("alertmanager", "amtool alert add Lab host=somewhere --alertmanager.url=http://127.0.0.1:9093")
            yield site
            server.shutdown()


def test_every_target_is_up_and_stays_as_it_is(watched: Watched) -> None:
    watched.sees(*OWN, *NEAR)
    assert watched.asked("alertmanagers")["activeAlertmanagers"] == [{"url": "http://alertmanager:9093/api/v2/alerts"}]
    before = [watched.fleet.snapshot(host) for host in (WATCH, CARD)]
    assert watched.converge().totals["success"] == 0
    assert [watched.fleet.snapshot(host) for host in (WATCH, CARD)] == before


def test_rules_fire_for_what_they_are_there_for(watched: Watched) -> None:
    text = (CASES / "alerts.yaml").read_text()
    fired = {
        sample["labels"].split('"')[1]
        for test in yaml.safe_load(text)["tests"]
        for told in test["promql_expr_test"]
        for sample in told["exp_samples"]
    }
    assert fired == {rule["name"] for group in watched.asked("rules")["groups"] for rule in group["rules"]}
    test = "sh -c 'cat >/tmp/alerts.yaml; promtool test rules /tmp/alerts.yaml'"
    assert "SUCCESS" in watched.run(f"docker exec -i one-prometheus-1 {test} <<'EOF'\n{text}\nEOF")


def test_one_host_more_is_a_target_more_and_nothing_else(watched: Watched) -> None:
    before, near = watched.containers(), watched.fleet.snapshot(CARD)
    watched.declare(late=True)
    found = watched.foretold().hosts
    assert (found[WATCH].containers, found[CARD].changes) == ((), ())
    assert "prometheus/targets.yml: is not as planned where it is read" in {c.what for c in found[WATCH].changes}
    run = watched.converge()
    assert run.code == 0, run.output
    assert (watched.containers(), watched.fleet.snapshot(CARD)) == (before, near)
    watched.sees(*OWN, *NEAR, *FAR)
    assert watched.converge().totals["success"] == 0


def test_what_is_written_there_by_hand_is_undone(watched: Watched) -> None:
    before = watched.containers()
    watched.run(f"echo '[]' >{LIVE}/prometheus/targets.yml; chmod 600 {LIVE}/prometheus/targets.yml; touch {LIVE}/mine")
    assert {c.what for c in watched.foretold().hosts[WATCH].changes} == {
        f"{path}: is not as planned where it is read" for path in ("prometheus/targets.yml", "mine")
    }
    run = watched.converge()
    assert run.code == 0, run.output
    watched.sees(*OWN, *NEAR, *FAR)
    assert watched.containers() == before


def test_a_release_that_fails_takes_its_targets_with_it(watched: Watched) -> None:
    file = f"cat {LIVE}/prometheus/targets.yml"
    before = watched.run(file)
    watched.declare(options={"prometheus": {"retention": "999999y"}})
    run = watched.converge()
    assert run.code == 1
    assert "is back and healthy" in run.output
    assert watched.run(file) == before
    watched.sees(*OWN, *NEAR, *FAR)


def test_one_host_less_is_no_target_any_more(watched: Watched) -> None:
    before = watched.containers()
    watched.declare()
    run = watched.converge()
    assert run.code == 0, run.output
    watched.sees(*OWN, *NEAR)
    assert watched.containers() == before
    assert watched.converge().totals["success"] == 0


def test_alerts_are_posted_to_a_url_that_no_file_has(watched: Watched) -> None:
    until("the alert", lambda: bool(watched.told), 60)
    path, told = watched.told[0]
    assert (path, told["alerts"][0]["labels"]) == ("/secret-of-mine", {"alertname": "Lab", "host": "somewhere"})
    assert watched.run("grep -rlF secret-of-mine /srv/gpufleet").split() == [ENV]


def test_who_leaves_takes_its_live_files_along_and_its_data_stays(watched: Watched) -> None:
    watched.declare(services={"prometheus": False, "grafana": False, "monitor-nginx": False})
    run = watched.converge()
    assert run.code == 0, run.output
    assert (
        watched.run(f"ls -d {LIVE} /srv/gpufleet/data/prometheus/wal || true") == "/srv/gpufleet/data/prometheus/wal\n"
    )
    assert watched.converge().totals["success"] == 0
