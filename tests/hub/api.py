"""What the Hub answers: its API and its files, as huggingface_hub 2.4 asks for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from .answer import Answer, refused, told
from .repos import File, Repo

# A token that nobody has; any other is some user's.
INVALID_TOKEN = "hf_invalid"
PAGE = 1000


@dataclass(frozen=True)
class Asked:
    """A request: ``target`` as it came, ``origin`` that the client reached us by, its token or ''."""

    target: str
    origin: str
    token: str
    body: bytes = b""

    @property
    def path(self) -> str:
        """As it came, without the query."""
        return urlsplit(self.target).path

    @property
    def parts(self) -> list[str]:
        """Of the path; a revision may hold a quoted slash, so they are unquoted one by one."""
        return [unquote(part) for part in self.path.split("/")[1:]]

    @property
    def query(self) -> dict[str, str]:
        return {key: values[-1] for key, values in parse_qs(urlsplit(self.target).query).items()}


def answer(root: Path, asked: Asked) -> Answer:
    """The answer to a request, of the folder ``root``."""
    if {"", ".."} & {*"/".join(asked.parts).split("/")}:
        return refused(404, "Not Found")
    try:
        match asked.parts:
            case ["files", *path]:
                return _plain(root / "files" / "/".join(path))
            case ["cdn", owner, name, commit, *path]:
                return _cdn(asked, _file(Repo(root, f"{owner}/{name}"), commit, "/".join(path)))
            case ["api", "models", owner, name, *what]:
                return _api(_repo(root, f"{owner}/{name}", asked), what, asked)
            case [owner, name, "resolve", revision, *path]:
                return _resolve(_repo(root, f"{owner}/{name}", asked), revision, "/".join(path), asked)
    except Answer as instead:
        return instead
    return refused(404, "Not Found")


def _repo(root: Path, name: str, asked: Asked) -> Repo:
    """The repository, where this client may know of it."""
    repo = Repo(root, name)
    if asked.token == INVALID_TOKEN:
        raise refused(401, "Invalid credentials in Authorization header")
    if moved := repo.settings.get("moved"):
        raise refused(307, "Moved", headers={"Location": asked.target.replace(name, moved, 1)})
    if not repo.folder.is_dir() or (repo.settings.get("private") and not _allowed(repo, asked)):
        # The Hub does not tell a stranger which private repositories there are.
        status, message = (404, "Repository not found") if asked.token else (401, "Invalid username or password.")
        raise refused(status, message, "RepoNotFound")
    return repo


def _allowed(repo: Repo, asked: Asked) -> bool:
    return asked.token in repo.settings.get("allowed", [])


def _pass_gate(repo: Repo, asked: Asked) -> None:
    """Everybody sees what a gated repository holds, and only some may have it."""
    if repo.settings.get("gated") and not _allowed(repo, asked):
        status, why = (403, "you are not in the authorized list") if asked.token else (401, "you must be authenticated")
        raise refused(status, f"Access to model {repo.name} is restricted: {why}.", "GatedRepo")


def _commit(repo: Repo, revision: str) -> str:
    if commit := repo.commit(revision):
        return commit
    raise refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def _file(repo: Repo, revision: str, path: str) -> File:
    commit = _commit(repo, revision)
    if file := repo.files(commit).get(path):
        return file
    raise refused(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit})


def _api(repo: Repo, what: list[str], asked: Asked) -> Answer:
    match what:
        case [] | ["revision", _]:
            return told(_info(repo, _commit(repo, what[1] if what else "main"), "blobs" in asked.query))
        case ["tree", revision, *folder]:
            return _tree(repo, _commit(repo, revision), "/".join([*folder, ""]).lstrip("/"), asked)
        case ["paths-info", revision]:
            files = repo.files(_commit(repo, revision))
            return told([_entry(repo, files[path]) for path in _paths(asked.body) if path in files])
        case ["auth-check"]:
            _pass_gate(repo, asked)
            return told({})
        case ["xet-read-token", _]:
            return _xet_token(repo, asked)
    return refused(404, "Not Found")


def _info(repo: Repo, commit: str, blobs: bool) -> dict[str, Any]:
    gated, private = repo.settings.get("gated"), bool(repo.settings.get("private"))
    siblings = [_sibling(file, blobs) for file in repo.files(commit).values()]
    access = {"private": private, "gated": "manual" if gated else False, "disabled": False}
    told = {"id": repo.name, "modelId": repo.name, "sha": commit, "siblings": siblings, "tags": []}
    return {**told, **access, "cardData": repo.settings.get("card")}


def _sibling(file: File, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.path}
    return {"rfilename": file.path, "size": file.size, "blobId": file.oid, **_lfs(file, "sha256")}


def _lfs(file: File, name: str) -> dict[str, Any]:
    """What is said of an LFS file; its checksum has another name in each answer."""
    return {"lfs": {name: file.sha256, "size": file.size, "pointerSize": len(file.pointer)}} if file.lfs else {}


def _entry(repo: Repo, file: File) -> dict[str, Any]:
    xet = {"xetHash": file.sha256} if file.lfs and repo.settings.get("xet") else {}
    return {"type": "file", "path": file.path, "size": file.size, "oid": file.oid, **_lfs(file, "oid"), **xet}


def _tree(repo: Repo, commit: str, folder: str, asked: Asked) -> Answer:
    """The files under a folder, in pages; always of all its folders, as gpufleet never asks for less."""
    files = [file for path, file in repo.files(commit).items() if path.startswith(folder)]
    page = int(asked.query.get("limit", PAGE))
    first = int(asked.query.get("cursor", 0))
    link = f'<{asked.origin}{asked.path}?recursive=true&limit={page}&cursor={first + page}>; rel="next"'
    listed = [_entry(repo, file) for file in files[first : first + page]]
    return told(listed, {"Link": link} if first + page < len(files) else {})


def _paths(body: bytes) -> list[str]:
    """The paths of a form or of JSON: clients send the one or the other."""
    text = body.decode()
    return list(json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", []))


def _resolve(repo: Repo, revision: str, path: str, asked: Asked) -> Answer:
    commit = _commit(repo, revision)
    _pass_gate(repo, asked)
    file = _file(repo, commit, path)
    headers = {"X-Repo-Commit": commit, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
    headers["Content-Disposition"] = f'inline; filename="{file.at.name}"'
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
        if repo.settings.get("xet"):
            route = f"{asked.origin}/api/models/{repo.name}/xet-read-token/{commit}"
            headers |= {"X-Xet-Hash": file.sha256, "X-Xet-Refresh-Route": route}
        if cdn := repo.settings.get("cdn"):
            location = f"{cdn}/cdn/{repo.name}/{commit}/{quote(path)}?Signature=1"
            return Answer(302, b"", {**headers, "Location": location})
    return Answer(200, file.at, headers)


def _cdn(asked: Asked, file: File) -> Answer:
    if asked.token:
        # A signed URL and a token are two proofs, which such a store refuses: no client shall send its token there.
        return refused(400, "Only one auth mechanism allowed")
    return Answer(200, file.at, {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"})


def _xet_token(repo: Repo, asked: Asked) -> Answer:
    """Where Xet's chunks would be: nothing is there, and a client fails."""
    _pass_gate(repo, asked)
    store = {
        "X-Xet-Cas-Url": f"{asked.origin}/xet",
        "X-Xet-Access-Token": "xet",
        "X-Xet-Token-Expiration": "4102444800",
    }
    return told({}, store)


def _plain(path: Path) -> Answer:
    if not path.is_file():
        return refused(404, "Not Found")
    stat = path.stat()
    return Answer(200, path, {"ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"', "Accept-Ranges": "bytes"})
