"""What registries have under a name now: images of containers, and Ollama's models."""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import cache
from hashlib import sha256
from typing import Any

import httpx

from ...errors import Problem, Refused
from ...plan.library import named
from ...schema import LockedPull
from .patience import TIMEOUT, patiently, refusal, status_of

# An index first: an image has one digest for all kinds of processors.
KINDS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
    )
)
# What Ollama asks for, so that the bytes are those that it would keep.
OLLAMA = "application/vnd.docker.distribution.manifest.v2+json"
HUB, REALLY = "docker.io", "registry-1.docker.io"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def image(where: str, name: str) -> str:
    """The digest of ``REGISTRY/PATH:TAG`` now, ``sha256:HEX``; raises Refused."""
    registry, _, rest = name.partition("/")
    path, _, tag = rest.rpartition(":")
    try:
        answer = _manifest(registry, path, tag)
    except httpx.HTTPError as error:
        raise refused(where, registry, name, error) from None
    return _digest(answer) or f"sha256:{sha256(answer.content).hexdigest()}"


def pull(where: str, name: str, ollama: str) -> LockedPull:
    """What Ollama fetches by ``name``, of the registry at the URL ``ollama``; raises Refused."""
    place = named(name)
    if not place:
        raise Refused(Problem(where, f"'{name}' is no name of Ollama's", "write it like llama3.2:3b"))
    server = f"https://{place.host}" if place.host else ollama
    try:
        answer = patiently(server, lambda: _ask("GET", f"{place.api(ollama)}/manifests/{place.tag}", OLLAMA))
        sizes = [int(layer["size"]) for layer in answer.json()["layers"]]
        digest = sha256(answer.content).hexdigest()
        return LockedPull(digest=digest, bytes=sum(sizes), manifest=answer.content.decode())
    except httpx.HTTPError as error:
        raise refused(where, server, name, error) from None
    except (KeyError, TypeError, ValueError):
        what = f"{server} does not answer as a registry of Ollama's does"
        raise Refused(Problem(where, what, "check `mirrors.ollama`")) from None


def _manifest(registry: str, path: str, tag: str) -> httpx.Response:
    """The answer for a manifest: HEAD is not counted as a pull; without a digest in it, the manifest itself."""
    url = f"{base(registry)}/v2/{path}/manifests/{tag}"
    answer = patiently(registry, lambda: _ask("HEAD", url, KINDS))
    return answer if _digest(answer) else patiently(registry, lambda: _ask("GET", url, KINDS))


def _digest(answer: httpx.Response) -> str:
    told = answer.headers.get("Docker-Content-Digest", "")
    return told if DIGEST.fullmatch(told) else ""


@cache
def base(registry: str) -> str:
    """Where it is. As engines do: HTTPS, and plain HTTP only to one of the own network that does not speak TLS."""
    registry = REALLY if registry == HUB else registry
    try:
        httpx.get(f"https://{registry}/v2/", timeout=TIMEOUT)
    except httpx.ConnectError:
        if _near(registry):
            return f"http://{registry}"
    except httpx.HTTPError:
        pass
    return f"https://{registry}"


def _near(registry: str) -> bool:
    try:
        found = socket.getaddrinfo(registry.partition(":")[0], None)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_private for *_, address in found)


def _ask(method: str, url: str, accept: str) -> httpx.Response:
    """An answer that is no error; where a registry asks everybody for a token, with one."""
    headers = {"Accept": accept}
    answer = httpx.request(method, url, headers=headers, timeout=TIMEOUT, follow_redirects=True)
    if token := login(answer):
        headers["Authorization"] = f"Bearer {token}"
        answer = httpx.request(method, url, headers=headers, timeout=TIMEOUT, follow_redirects=True)
    return answer.raise_for_status()


def login(answer: httpx.Response) -> str:
    """The token that anybody gets who is asked for one (distribution.github.io/distribution/spec/auth/token)."""
    asked = answer.headers.get("WWW-Authenticate", "")
    if answer.status_code != 401 or not asked.lower().startswith("bearer "):
        return ""
    told = dict(CHALLENGE.findall(asked))
    realm = told.pop("realm", "")
    params = {key: told[key] for key in ("service", "scope") if key in told}
    try:
        found: Any = httpx.get(realm, params=params, timeout=TIMEOUT).raise_for_status().json()
    except (httpx.HTTPStatusError, httpx.InvalidURL, ValueError):
        return ""
    return str(found.get("token") or found.get("access_token") or "") if isinstance(found, dict) else ""


def refused(where: str, server: str, name: str, error: Exception) -> Refused:
    status = status_of(error)
    if status == 404:
        return Refused(Problem(where, f"{server} has no {name}", "check the name and the tag"))
    if status in (401, 403):
        what = f"{server} gives {name} to nobody without a login, or has it not"
        return Refused(Problem(where, what, "check the name; one that needs a login is named with its @sha256:HEX"))
    return refusal(where, server, error)
