"""Findings: what is wrong on a host, or worth knowing, under an id that stays."""

from __future__ import annotations

from typing import Literal

from ..errors import Problem
from .base import Noun
from .gpu import ProblemCode

Severity = Literal["blocks", "warns", "informs"]


class Finding(Noun):
    """Something to know. ``blocks``: this cannot work. ``what`` is the evidence that was read."""

    id: str
    severity: Severity
    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{Problem(self.where, self.what, self.fix)} [{self.id}]"


class FindingKind(Noun):
    """An entry of catalog/findings. ``code``: the GPU problem that it stands for.

    ``sign``: shell that the doctor runs on the host; ``say WHERE WHAT`` reports the finding there.
    """

    severity: Severity
    title: str
    cause: str
    fix: str
    code: ProblemCode | None = None
    sign: str = ""
