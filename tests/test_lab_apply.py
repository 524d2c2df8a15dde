"""`gpufleet apply` against a real host: what it says, writes and ends with."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from gpufleet.catalog import OURS
from gpufleet.schema import Report
from tests.drive import ENV, ROOT, Fleet, Run, fresh, key
from tests.lab import Lab
from tests.lab.shell import until

pytestmark = pytest.mark.lab
HOST = "apply1"
GPUFLEET = (sys.executable, "-m", "gpufleet")
COMMAND = (*GPUFLEET, "apply", "inventory/lab.py", "--limit", HOST)
FILES = "find /etc /usr /opt /root /srv /var/lib/systemd -xdev | sort"
AT_WORK = "pgrep -f 'compose .*up -d'"


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, {HOST: "cpu"}) as fleet:
        yield fleet


def apply(*args: str) -> Run:
    return command(*COMMAND, *args)


def command(*words: str) -> Run:
    done = subprocess.run(words, cwd=ROOT, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


def test_the_first_run_and_one_with_nothing_to_do(fleet: Fleet, tmp_path: Path) -> None:
    fleet.lab.run(HOST, f"{FILES} >/tmp/before")
    run = apply("--report", str(tmp_path / "run.json"))
    assert (run.code, run.lines[0]) == (0, f"{HOST}  changed"), run.output
    assert "Run the release" in run.lines
    assert any(line.startswith("litellm: http://") for line in run.lines)
    host = Report.model_validate_json((tmp_path / "run.json").read_text()).hosts[HOST]
    assert {change.kind for change in host.changes} >= {"directories", "secrets", "models", "release", "run"}
    assert (host.before, fleet.lab.run(HOST, "readlink /srv/gpufleet/current").stdout) == (
        None,
        f"releases/{host.release}\n",
    )
    before = fleet.snapshot(HOST)
    again = apply()
    assert (again.code, again.lines[0], again.stderr) == (0, f"{HOST}  nothing to do", "")
    quiet = apply("--quiet")
    assert (quiet.code, quiet.output) == (0, "")
    assert fleet.snapshot(HOST) == before


def test_what_was_changed_by_hand_is_named_and_mended(fleet: Fleet) -> None:
    fleet.lab.run(HOST, f"chmod 644 {ENV}; docker stop starter-redis-1")
    run = apply("--json")
    host = Report.model_validate_json(run.stdout).hosts[HOST]
    assert (run.code, host.state, host.before) == (0, "changed", host.release)
    assert {(change.kind, change.what) for change in host.changes} == {
        ("secrets", f"{ENV}: is not root's alone"),
        ("run", "redis: is exited"),
    }
    assert [one.name for one in host.operations] == ["Make the secrets", "Run the release"]


def test_a_failure_names_host_operation_and_last_lines(fleet: Fleet, tmp_path: Path) -> None:
    secret = key(fleet, HOST)
    entry = yaml.safe_load((OURS / "services/llama-cpp.yaml").read_text())
    (tmp_path / "services").mkdir()
    broken = {**entry, "command": ["--model", "/models/gone.gguf", "--alias", "$$LITELLM_MASTER_KEY"]}
    (tmp_path / "services/llama-cpp.yaml").write_text(yaml.safe_dump(broken))
    files = [tmp_path / "run.xml", tmp_path / "run.md"]
    told = ["--data", f"catalog={tmp_path}", "--data", "health_deadline=20"]
    run = apply(*told, *(word for file in files for word in ("--report", str(file))))
    assert (run.code, run.lines[0]) == (1, f"{HOST}  failed"), run.output
    assert "Run the release: failed; it said:" in run.lines
    assert "gone.gguf" in run.stdout
    failure = ElementTree.parse(files[0]).findtext("testcase/failure") or ""
    for text in (run.output, failure, files[1].read_text()):
        assert "is back and healthy; mend the cause, then run again" in text
        assert secret not in text


def test_it_can_be_ended_and_begun_again(fleet: Fleet, tmp_path: Path) -> None:
    anew = ("--data", 'options={"llama": {"context": 1024}}')
    file = tmp_path / "run.json"
    with subprocess.Popen(
        [*COMMAND, *anew, "--report", str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        until("Compose", lambda: fleet.lab.run(HOST, AT_WORK, check=False).returncode == 0)
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=60)
    assert (child.returncode, said.splitlines()[0]) == (1, f"{HOST}  ended before it was done")
    assert json.loads(file.read_text())["hosts"][HOST]["state"] == "stopped"
    assert apply(*anew).code == 0
    assert apply(*anew).lines[0] == f"{HOST}  nothing to do"


def test_a_stack_that_ends_leaves_its_data_and_nothing_else(fleet: Fleet) -> None:
    destroy = (*GPUFLEET, "destroy", "inventory/lab.py", "--limit", HOST)
    before, secret = fleet.snapshot(HOST), key(fleet, HOST)
    asked = command(*destroy)
    assert (asked.code, asked.lines[0]) == (2, f"{HOST}  would end; add --yes"), asked.output
    assert {"container starter-redis-1", "network starter_default", "unit gpufleet@starter"} <= {*asked.lines}
    assert fleet.snapshot(HOST) == before
    done = command(*destroy, "--yes")
    assert (done.code, done.lines[0]) == (0, f"{HOST}  changed"), done.output
    assert fleet.lab.run(HOST, "docker ps -aq; docker network ls -q --filter type=custom").stdout == ""
    more = fleet.lab.run(HOST, f"{FILES} | comm -13 /tmp/before -").stdout.split()
    assert more, "its data and its secrets"
    assert [
        path for path in more if not re.match(r"/srv/gpufleet(/(data|models)(/.*)?|/[.]env|/[.]lock)?$", path)
    ] == []
    assert command(*destroy, "--yes").lines[0] == f"{HOST}  nothing to do"
    assert apply().code == 0
    assert key(fleet, HOST) == secret
    assert fleet.ask(HOST) == " pong from lab"
