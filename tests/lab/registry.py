"""Trees of files as images in a registry, by its HTTP API: no engine and no build tool needed."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .paths import REGISTRY
from .shell import LabError, cached

FORMAT = "1"  # another format of layers makes every image anew
MARK = "org.gpufleet.lab.recipe"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _ask(method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection(REGISTRY, timeout=300)
    connection.request(method, path, body, dict(headers or {}))
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def mark_of(repository: str, tag: str) -> str | None:
    """The recipe that an image in the registry was made by; None: it is not there."""
    status, _, data = _ask("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
    if status != 200:
        return None
    digest = json.loads(data)["config"]["digest"]
    config = json.loads(_ask("GET", f"/v2/{repository}/blobs/{digest}")[2])
    return (config["config"].get("Labels") or {}).get(MARK)


def push(
    repository: str, tag: str, trees: Sequence[Path], config: Mapping[str, Any], labels: Mapping[str, str]
) -> None:
    """An image of ``trees``, the first at the bottom."""
    layers = [_layer(tree) for tree in trees]
    for archive, digest, _ in layers:
        _upload(repository, digest, archive)
    told = {**config, "Env": [PATH, *config.get("Env", [])], "Labels": dict(labels)}
    root = {"type": "layers", "diff_ids": [plain for _, _, plain in layers]}
    image = {"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z", "config": told, "rootfs": root}
    body = json.dumps(image, sort_keys=True).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    _upload(repository, digest, body)
    parts = [{"mediaType": LAYER, "size": a.stat().st_size, "digest": d} for a, d, _ in layers]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": parts}
    manifest["config"] = {"mediaType": CONFIG, "size": len(body), "digest": digest}
    status, _, data = _ask("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest), {"Content-Type": MANIFEST})
    if status != 201:
        raise LabError(f"the registry refuses {repository}:{tag}: {data.decode(errors='replace')[:300]}")


def copy(repository: str, tag: str, new: str) -> None:
    """The same image under another name; its layers stay where they are."""
    status, _, body = _ask("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
    if status != 200:
        raise LabError(f"the registry has no {repository}:{tag}")
    told = json.loads(body)
    for part in (told["config"], *told["layers"]):
        _ask("POST", f"/v2/{new}/blobs/uploads/?mount={part['digest']}&from={repository}", b"")
    status, _, data = _ask("PUT", f"/v2/{new}/manifests/{tag}", body, {"Content-Type": MANIFEST})
    if status != 201:
        raise LabError(f"the registry refuses {new}:{tag}: {data.decode(errors='replace')[:300]}")


def _upload(repository: str, digest: str, content: Path | bytes) -> None:
    if _ask("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
        return
    status, headers, _ = _ask("POST", f"/v2/{repository}/blobs/uploads/", b"")
    if status != 202:
        raise LabError(f"the registry takes no upload to {repository}: HTTP {status}")
    place = headers["Location"].split(REGISTRY, 1)[-1]
    url = f"{place}{'&' if '?' in place else '?'}digest={digest}"
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as body:
        size = {"Content-Length": str(body.seek(0, io.SEEK_END))}
        body.seek(0)
        status, _, data = _ask("PUT", url, body, {"Content-Type": "application/octet-stream", **size})
    if status != 201:
        raise LabError(f"the registry refuses a layer of {repository}: {data.decode(errors='replace')[:300]}")


@cache
def _layer(tree: Path) -> tuple[Path, str, str]:
    """(archive, its digest, the digest of what is in it); the same bytes for the same files."""
    folder = cached(
        f"archive-{hashlib.sha256(str(tree).encode()).hexdigest()[:8]}", FORMAT + str(tree), lambda f: _pack(tree, f)
    )
    digest, plain = (folder / "digests").read_text().split()
    return folder / "layer.tar.gz", digest, plain


def _pack(tree: Path, folder: Path) -> None:
    archive = folder / "layer.tar.gz"
    leave = [f"--exclude=./{name}" for name in ("proc/*", "sys/*", "dev/*", "tmp/*", "run/*", "root/.cache")]
    tar = ["tar", "-C", str(tree), "--sort=name", "--mtime=@0", "--numeric-owner", *leave, "-cf", "-", "."]
    script = 'tee >(sha256sum | cut -c1-64 >"$0/plain") | pigz -1 -n >"$0/layer.tar.gz"; wait'
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as source:
        subprocess.run(["bash", "-c", script, str(folder)], stdin=source.stdout, check=True)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    plain = _read_soon(folder / "plain")
    (folder / "digests").write_text(f"sha256:{digest} sha256:{plain}")


def _read_soon(path: Path) -> str:
    """bash does not wait for what it starts in >(...)."""
    from .shell import until

    until(str(path), lambda: path.exists() and len(path.read_text().strip()) == 64, 30)
    return path.read_text().strip()
