"""The Hub of the tests over plain HTTP: its faults to the byte, its log, its process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hub import Hub, Kind, publish, serve
from tests.test_hub import content

FILE = "/files/d/m.gguf"
Plain = tuple[Hub, httpx.Client, bytes]


@pytest.fixture
def plain(hub: Hub) -> Iterator[Plain]:
    """A plain file of 100 kB at FILE, and a client for it."""
    data = content(100_000)
    (hub.root / "files/d").mkdir(parents=True)
    (hub.root / "files/d/m.gguf").write_bytes(data)
    with httpx.Client(base_url=hub.url, timeout=20) as client:
        yield hub, client, data


def test_a_plain_file_is_served_and_nothing_beside(plain: Plain) -> None:
    hub, client, data = plain
    assert client.get(FILE).content == data
    assert client.head(FILE).headers["Content-Length"] == "100000"
    wrong = ("/files/d", "/files/none", "/files/%2e%2e/files/d/m.gguf", "/files/..%2ffiles/d/m.gguf", "/files//d", "/")
    assert {client.get(path).status_code for path in wrong} == {404}
    assert hub.sent(FILE) == len(data)


def test_a_range_of_a_changed_file_is_the_whole(plain: Plain) -> None:
    _, client, data = plain
    etag = client.head(FILE).headers["ETag"]
    same, other = (client.get(FILE, headers={"Range": "bytes=9-", "If-Range": e}) for e in (etag, '"other"'))
    assert (same.status_code, same.content) == (206, data[9:])
    assert (other.status_code, other.content) == (200, data)
    assert client.get(FILE, headers={"Range": "bytes=100000-"}).status_code == 416


@pytest.mark.parametrize("after", [0, 1000])
@pytest.mark.parametrize(("kind", "error"), [("cut", httpx.RemoteProtocolError), ("stall", httpx.ReadTimeout)])
def test_what_ends_early_has_sent_so_many_bytes(plain: Plain, kind: Kind, error: type[Exception], after: int) -> None:
    hub, client, data = plain
    hub.faults.add(kind, "m.gguf", after=after, times=1)
    assert client.head(FILE).status_code == 200
    got: list[bytes] = []
    with pytest.raises(error):
        read(client, got)
    assert b"".join(got) == data[:after]
    assert hub.sent("m.gguf") == after
    assert client.get(FILE, headers={"Range": f"bytes={after}-"}).content == data[after:]


def read(client: httpx.Client, got: list[bytes]) -> None:
    """The file, block by block, as far as it comes."""
    with client.stream("GET", FILE, timeout=2) as answer:
        got.extend(answer.iter_raw())


def test_a_slow_file_is_left_off_before_its_end(plain: Plain) -> None:
    hub, client, data = plain
    hub.faults.add("slow", "m.gguf", rate=10_000)
    with client.stream("GET", FILE) as answer:
        assert data.startswith(next(answer.iter_raw()))
    assert 0 < hub.sent("m.gguf") < len(data)


@pytest.mark.parametrize("kind", ["etag", "commit"])
def test_another_version_is_told(hub: Hub, kind: Kind) -> None:
    publish(hub.root, "acme/tiny", {"m.gguf": b"1"})
    url = f"{hub.url}/acme/tiny/resolve/main/m.gguf"
    right = httpx.head(url).headers
    hub.faults.add(kind, "m.gguf", times=1)
    wrong = httpx.head(url).headers
    names = ("ETag", "X-Linked-Etag") if kind == "etag" else ("X-Repo-Commit",)
    assert {name for name in right if right[name] != wrong[name] and name != "date"} == {n.lower() for n in names}
    assert {len(right[name]) for name in names} == {len(wrong[name]) for name in names}
    assert httpx.head(url).headers["ETag"] == right["ETag"]


def test_faults_make_a_sequence(plain: Plain) -> None:
    hub, client, _ = plain
    hub.faults.add("status", "m.gguf", status=429, headers={"Retry-After": "7"}, times=1)
    hub.faults.add("status", "m.gguf", status=500, times=1)
    first, *others = (client.get(FILE) for _ in range(3))
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert [answer.status_code for answer in others] == [500, 200]
    assert [(r.status, r.fault) for r in hub.asked()] == [(429, "status"), (500, "status"), (200, None)]


@settings(max_examples=100)
@given(data=st.data())
def test_any_range_is_those_bytes(served: tuple[Hub, httpx.Client], data: st.DataObject) -> None:
    hub, client = served
    size = data.draw(st.integers(1, 200_000))
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.none() | st.integers(first, size + 9))
    (hub.root / "files").mkdir(parents=True, exist_ok=True)
    (hub.root / "files/x").write_bytes(content(size))
    hub.log.clear()
    answer = client.get("/files/x", headers={"Range": f"bytes={first}-{'' if last is None else last}"})
    expected = content(size)[first : None if last is None else last + 1]
    assert answer.content == expected
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(expected) - 1}/{size}"
    assert client.get("/files/x", headers={"Range": f"bytes=-{size - first}"}).content == content(size)[first:]
    assert hub.sent("files/x") == len(expected) + size - first


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, httpx.Client]]:
    with serve(tmp_path_factory.mktemp("served")) as hub, httpx.Client(base_url=hub.url) as client:
        yield hub, client


def test_as_a_process_it_is_told_over_http(tmp_path: Path) -> None:
    commit = publish(tmp_path, "acme/tiny", {"model.gguf": content(5000)})
    command = [sys.executable, "-m", "tests.hub", str(tmp_path)]
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url) as client:
            fault = {"kind": "status", "path": "model.gguf", "status": 503, "times": 1}
            assert client.post("/_faults", json=[fault]).json()[0]["status"] == 503
            asked = f"/acme/tiny/resolve/{commit}/model.gguf"
            assert [client.get(asked).status_code for _ in range(2)] == [503, 200]
            assert client.get("/_faults").json()[0]["times"] == 0
            assert [entry["sent"] for entry in client.get("/_log").json()][1:] == [5000]
            assert client.delete("/_log").json() == client.delete("/_faults").json() == []
            for wrong in ({"kind": "none"}, {"kind": "cut", "bytes": 1}, {"kind": "slow"}, 7, [{"kind": "cut"}, {}]):
                assert client.post("/_faults", json=wrong).status_code == 400
            assert client.get(asked).content == content(5000)
        taken = subprocess.run([*command, url.rsplit(":", 1)[1]], capture_output=True, text=True)
        process.terminate()
    assert process.returncode == 0
    assert taken.returncode == 1
    assert len(taken.stderr.splitlines()) == 1
