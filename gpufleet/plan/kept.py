"""Files that the user and a program write, too: what of ours is not in them, and what keeps it from being set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from ..errors import Problem, Refused
from ..schema import Finding, KeptFile, Plan
from .finding import block
from .merge import STAYS, Merged, merged, reader


class Rendered(Protocol):
    """A release, as far as kept files are concerned."""

    @property
    def files(self) -> Mapping[str, bytes]: ...


def pending(plan: Plan, release: Rendered, have: Mapping[str, KeptFile]) -> dict[str, Merged]:
    """By path the files that do not have our keys as planned. Raises Refused for what cannot be merged."""
    found: dict[str, Merged] = {}
    for o in plan.outputs:
        if o.keep is None:
            continue
        before = found.get(o.keep) or Merged(_text(o.keep, have), ())  # two services may share a file
        if new := merged(o.keep, before.text, release.files[o.path].decode(), f"templates/{o.template}"):
            found[o.keep] = Merged(new.text, (*before.keys, *new.keys))
    return found


def unset(plan: Plan, release: Rendered, have: Mapping[str, KeptFile]) -> dict[str, list[str]]:
    """By service what a run sets in its kept files; names of keys, never their values."""
    found: dict[str, list[str]] = {}
    new = pending(plan, release, have)
    for o in plan.outputs:
        if o.keep in new:
            what = f"{', '.join(new[o.keep].keys)} not as planned" if o.keep in have else "is not there"
            found.setdefault(o.service, []).append(f"{o.keep}: {what}")
    return found


def unreadable(have: Mapping[str, KeptFile]) -> Iterable[Finding]:
    """Files that cannot be merged into: nothing is touched then."""
    for path in have:
        try:
            reader(path)(path, _text(path, have))
        except Refused as refused:
            yield from (block("HOST-FILE", p.where, p.what, p.fix) for p in refused.problems)


def _text(path: str, have: Mapping[str, KeptFile]) -> str:
    file = have.get(path, KeptFile())
    if file.why:
        raise Refused(Problem(path, file.why, f"put a text file there; {STAYS}"))
    return file.text.get_secret_value()
