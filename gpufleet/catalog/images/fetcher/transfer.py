"""One try to bring a file over, in a process of its own: told by JSON on standard input, it can be killed.

The Hub's own client does it, also from other places; a file that is there in part is gone on with. Lines on standard
output are bytes that came; the last one, of a try that failed, says why, as JSON: ``why``, ``again``, whether another
try may help, and ``wait``, the seconds for which a server that is busy wants to be left alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants, get_hf_file_metadata, set_client_factory
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.file_download import http_get, xet_get
from huggingface_hub.utils import build_hf_headers, parse_ratelimit_headers
from tqdm import tqdm

NOWHERE = Path(os.devnull).open("w")  # noqa: SIM115
# What came of a chunk that was cut off is lost.
constants.DOWNLOAD_CHUNK_SIZE = 1 << 20
# Of the store behind the Hub, which says so itself; other hosts and mirrors have none.
constants.MAX_HTTP_DOWNLOAD_SIZE = sys.maxsize


SIZE = "mend that in the model's entry, or run `gpufleet lock INVENTORY --upgrade`"


class Bytes(tqdm):  # type: ignore[type-arg]
    """What the client takes for a progress bar: it says what came, so that somebody sees when nothing does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "file": NOWHERE})

    def update_transfer(self, count: float) -> None:
        print(int(count), flush=True)


class Limited:
    """A file that takes no more than ``size`` bytes: a server may send without end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size

    def write(self, data: bytes) -> int:
        if self.file.tell() + len(data) > self.size:
            raise Refused(f"its source has more than {self.size} bytes; {SIZE}")
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class Refused(Exception):
    """Another try would end the same way."""


class Busy(Exception):
    """A server wants to be asked later, in so many seconds."""


def heed(answer: httpx2.Response) -> None:
    """The client would wait by itself, without a word, for as long as the server likes."""
    if answer.status_code == 429:
        told, text = parse_ratelimit_headers(answer.headers), answer.headers.get("Retry-After", "")
        raise Busy(told.reset_in_seconds if told else int(text) if text.isdecimal() else 0)


def bring(url: str, part: Path, size: int, hub: bool, xet: bool, token: str) -> None:
    """The bytes at ``url`` into ``part``, behind those that it has."""
    headers = build_hf_headers(token=token or False) if hub else {}
    if hub:
        about = get_hf_file_metadata(url, headers=headers, token=token or False, retry_on_errors=True)
        if about.size not in (None, size):
            raise Refused(f"its source has {about.size} bytes, and not {size}; {SIZE}")
        if xet and about.xet_file_data and not part.exists():
            whole = part.with_name(f"{part.name}.xet")  # nobody can go on with a part that xet has written
            told = {"xet_file_data": about.xet_file_data, "headers": headers, "expected_size": size}
            xet_get(incomplete_path=whole, tqdm_class=Bytes, **told)
            whole.rename(part)
            return
        if urlsplit(about.location).netloc != urlsplit(url).netloc:
            headers.pop("authorization", None)  # a signed address of the store behind the Hub
        url = about.location
    with part.open("ab") as file:
        told = {"headers": headers, "expected_size": size, "tqdm_class": Bytes}
        http_get(url, Limited(file, size), resume_size=part.stat().st_size, **told)


def reason(error: Exception, url: str) -> tuple[str, bool]:
    """What is wrong in one line, and whether another try may help."""
    page = url.partition("/resolve/")[0]
    if isinstance(error, GatedRepoError):
        fix = 'give a token of an account that has: secrets = {"HF_TOKEN": "env:HF_TOKEN"}'
        return f"is gated; accept its terms at {page}, and {fix}", False
    if isinstance(error, RepositoryNotFoundError):
        return f"{page} is not there, or private; check the name, or give a token that may read it", False
    if isinstance(error, EntryNotFoundError):
        return f"{url} is not there; run `gpufleet lock INVENTORY` to see what is", False
    if isinstance(error, HfHubHTTPError | httpx2.HTTPStatusError):
        status = error.response.status_code
        if status == 404:
            fix = "check the model's entry, or see what is there with `gpufleet lock INVENTORY --upgrade`"
            return f"{url} is not there; {fix}", False
        if status in (401, 403):
            return f"{url} answers HTTP {status}; check the token in secrets/HF_TOKEN", False
        if status == 416:
            return f"its source has fewer bytes than it should; {SIZE}", False
        return f"{url} answers HTTP {status}", status in (408, 425) or status >= 500
    if isinstance(error, Busy):
        return f"{url} was asked too often (HTTP 429)", True
    if isinstance(error, OSError) and error.errno in (28, 122):
        return "the disk is full; free some, then run again", False
    if isinstance(error, Refused):
        return str(error), False
    return f"{url}: {type(error).__name__}: {' '.join(str(error).split())[:200]}", True


def main() -> int:
    told = json.load(sys.stdin)
    sys.stderr = NOWHERE  # the client warns of what we say by ourselves
    hooks = {"response": [heed]}
    set_client_factory(lambda: httpx2.Client(event_hooks=hooks, follow_redirects=True, timeout=None))
    try:
        bring(**{**told, "part": Path(told["part"])})
    except Exception as error:  # whatever it is: who started this decides
        why, again = reason(error, told["url"])
        wait = error.args[0] if isinstance(error, Busy) else 0
        print(json.dumps({"why": why, "again": again, "wait": wait}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
