"""What is answered to a request, before any fault."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Answer(Exception):
    """A status, headers, and a body: bytes, or the file that holds it. It is raised where it ends a look-up."""

    status: int = 200
    content: bytes | Path = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The body's bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


def told(value: Any, headers: dict[str, str] | None = None) -> Answer:
    """A JSON answer."""
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


def refused(status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> Answer:
    """An error as the Hub tells it: ``code`` is what its client goes by, such as ``GatedRepo``."""
    said = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
    body = json.dumps({"error": message}).encode()
    return Answer(status, body, {"Content-Type": "application/json", **said})
