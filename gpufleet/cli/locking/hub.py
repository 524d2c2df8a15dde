"""What a Hugging Face Hub has of a model now: the commit, the files that make it, its numbers, its licence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import sha1, sha256
from typing import Any, TypeVar

import httpx
from huggingface_hub import HfApi, ModelInfo, get_hf_file_metadata, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ...errors import Problem, Refused
from ...plan import architecture, gguf
from ...plan.selection import selected
from ...schema import Architecture, LockedModel, Model, read
from .patience import FAILED, TIMEOUT, patiently, refusal, status_of

TOKEN = 'give a token: secrets = {"HF_TOKEN": "env:HF_TOKEN"}'
# Numbers stand in the first bytes of a GGUF file; a config.json is smaller but for those with names of many classes.
HEAD, CONFIG = 1 << 20, 16 << 20
FAMILY = re.compile(r"[a-z0-9][a-z0-9_.-]*")
T = TypeVar("T")


class Hub:
    """A Hub, as who has ``token`` sees it; None: who is logged in on this machine."""

    def __init__(self, endpoint: str, token: str | None) -> None:
        self.endpoint, self.token = endpoint.rstrip("/"), token or get_token()
        self.api = HfApi(endpoint=self.endpoint, token=self.token)

    def model(self, where: str, model: Model) -> LockedModel:
        """What ``model`` is now; raises Refused."""
        try:
            info = self._info(where, model)
            if info.id != model.repo:
                raise Refused(Problem(where, f"{model.repo} is {info.id} now", f"write `repo: {info.id}`"))
            return self._locked(where, model.model_copy(update={"revision": info.sha}), info, model)
        except FAILED as error:
            raise self._refused(where, model, error) from None

    def _info(self, where: str, model: Model) -> ModelInfo:
        repo, revision = str(model.repo), model.revision or "main"
        try:
            return self._patiently(
                lambda: self.api.model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT)
            )
        except OfflineModeIsEnabled:
            raise Refused(Problem(where, "HF_HUB_OFFLINE is set", "unset it, and run again")) from None
        except HFValidationError:
            raise Refused(Problem(where, f"{model.repo} is no name of a repository", "write OWNER/NAME")) from None
        except (KeyError, TypeError, ValueError):
            fix = "check `mirrors.huggingface`"
            raise Refused(Problem(where, f"{self.endpoint} does not answer as a Hub does", fix)) from None

    def _locked(self, where: str, at: Model, info: ModelInfo, asked: Model) -> LockedModel:
        """``at`` is ``asked`` at the commit of ``info``."""
        files = {file.rfilename: file for file in info.siblings or ()}
        taken = {path: _piece(files[path]) for path in selected(where, asked, files)}
        if info.gated:  # everybody may list its files
            url = at.source(next(iter(taken)), self.endpoint)
            hub = self.endpoint
            self._patiently(lambda: get_hf_file_metadata(url, token=self.token, timeout=TIMEOUT, endpoint=hub))
        family, numbers = self._architecture(where, at, taken, files)
        told = {"revision": info.sha, "files": taken, "gated": bool(info.gated), "licence": _licence(info.card_data)}
        return read(LockedModel, {**told, "family": family, "architecture": numbers}, where)

    def _architecture(
        self, where: str, model: Model, taken: dict[str, Any], files: dict[str, Any]
    ) -> tuple[str, Architecture | None]:
        """What a GGUF file calls it, and its numbers: of the files taken, where they say so; else of the repository."""
        if first := next((path for path in taken if path.endswith(".gguf")), None):
            pairs = gguf.pairs(self._head(model, first, HEAD))
            family = str(pairs.get("general.architecture", ""))
            return family if FAMILY.fullmatch(family) else "", architecture.of_gguf(pairs)
        return "", self._of_config(where, model, "config.json" in taken, files.get("config.json"))

    def _of_config(self, where: str, model: Model, taken: bool, file: Any) -> Architecture | None:
        """Of a config.json; one that is ``taken`` has to be right, as an engine reads it."""
        if file is None or file.size > CONFIG:
            return None
        found = self._head(model, "config.json", CONFIG) if file.size else b""
        if _piece(file)["digest"] not in (f"git:{_blob(found)}", f"sha256:{sha256(found).hexdigest()}"):
            what = f"{self.endpoint} gives another config.json of {model.repo} than it lists"
            raise Refused(Problem(where, what, "check `mirrors.huggingface`, and run again"))
        try:
            told = json.loads(found)
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            return architecture.of_config(told)
        if taken:
            what = f"the config.json of {model.repo} is no JSON that an engine could read"
            raise Refused(Problem(where, what, "choose another `revision`, or other files with `only`"))
        return None

    def _head(self, model: Model, path: str, size: int) -> bytes:
        """The first bytes of a file, also where a Range is ignored."""
        headers = {"Range": f"bytes=0-{size - 1}", "Accept-Encoding": "identity"}
        if self.token:  # which httpx does not send on to another server
            headers["Authorization"] = f"Bearer {self.token}"

        def ask() -> bytes:
            found = b""
            url = model.source(path, self.endpoint)
            with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as answer:
                answer.raise_for_status()
                for some in answer.iter_bytes():
                    found += some
                    if len(found) >= size:
                        break
            return found[:size]

        return self._patiently(ask)

    def _patiently(self, ask: Callable[[], T]) -> T:
        return patiently(self.endpoint, ask)

    def _refused(self, where: str, model: Model, error: Exception) -> Refused:
        at, revision = f"{self.endpoint}/{model.repo}", model.revision or "main"
        if isinstance(error, GatedRepoError):
            what, fix = f"{model.repo} is gated", f"accept its terms at {at} with your account, and {TOKEN}"
            if self.token:
                what, fix = f"{what}, and not open to the token", f"accept its terms at {at} with the token's account"
        elif isinstance(error, RevisionNotFoundError):
            what, fix = f"{model.repo} has no revision '{revision}'", "write a branch, a tag or a commit of it"
        elif isinstance(error, RepositoryNotFoundError):
            what, fix = f"there is no {at}, or it is private", f"check its name, or {TOKEN}"
        elif status_of(error) in (401, 403):
            what = f"{at} {'does not accept the token' if self.token else 'asks for a token'}"
            fix = "give another one" if self.token else TOKEN
        else:
            return refusal(where, self.endpoint, error)
        return Refused(Problem(where, what, fix))


def _piece(file: Any) -> dict[str, Any]:
    """Size and digest of a file that the Hub lists."""
    return {"bytes": file.size, "digest": f"sha256:{file.lfs.sha256}" if file.lfs else f"git:{file.blob_id}"}


def _blob(data: bytes) -> str:
    """What Git calls a file of these bytes."""
    return sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _licence(card: Any) -> str:
    """As the model's card has it: an id, or the name of one that has none."""
    told = (card.get("license_name") if card.get("license") == "other" else None) or card.get("license") if card else ""
    return ", ".join(map(str, told)) if isinstance(told, list) else str(told or "")
