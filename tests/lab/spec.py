"""What a host shall be: `PROFILE[@SUITE][+ENGINE]`, such as `cpu`, `rtx4090@bookworm`, `two-nvidia+none`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import rpm_hosts
from .paths import PROFILES
from .shell import LabError

SUITES = ("trixie", "bookworm", "sid", *rpm_hosts.BASE)
ENGINES = ("docker", "none", "podman")
FORM = re.compile(r"(?P<profile>[^@+]+)(?:@(?P<suite>[^@+]+))?(?:\+(?P<engine>[^@+]+))?")


@dataclass(frozen=True)
class Spec:
    """The cards (`cpu`: none), Debian's release or another distribution, and the engine it has from the beginning."""

    profile: str = "cpu"
    suite: str = SUITES[0]
    engine: str = ENGINES[0]

    def __str__(self) -> str:
        """The shortest form: two specs are the same host if and only if they read the same."""
        suite = "" if self.suite == SUITES[0] else f"@{self.suite}"
        return f"{self.profile}{suite}" + ("" if self.engine == ENGINES[0] else f"+{self.engine}")


def read(text: str) -> Spec:
    """The spec that somebody wrote."""
    parts = FORM.fullmatch(text)
    if not parts:
        raise LabError(f"'{text}' is no host; write PROFILE[@SUITE][+ENGINE]")
    spec = Spec(**{key: value for key, value in parts.groupdict().items() if value})
    profiles = ["cpu", *sorted(p.name for p in PROFILES.iterdir())]
    for what, word, have in (
        ("profile", spec.profile, profiles),
        ("suite", spec.suite, SUITES),
        ("engine", spec.engine, ENGINES),
    ):
        if word not in have:
            raise LabError(f"no {what} '{word}'; use one of: {', '.join(have)}")
    if spec.engine == "podman" and spec.suite != "trixie":
        raise LabError(f"'{text}': podman is for trixie only")
    if spec.engine != "none" and spec.suite in rpm_hosts.BASE:
        raise LabError(f"'{text}': {spec.suite} is for +none only")
    return spec
