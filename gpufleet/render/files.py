"""The generated files of a plan, from ``templates/``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from ..errors import Problem, Refused
from ..schema import External, Plan, PlannedService

TEMPLATES = Path(__file__).parent.parent / "templates"


@cache
def _environment(catalog: str | None) -> Environment:
    """A user's own templates are searched before ours, as the rest of the catalog is."""
    folders = [*([Path(catalog) / "templates"] if catalog else []), TEMPLATES]
    return Environment(loader=FileSystemLoader(folders), undefined=StrictUndefined, keep_trailing_newline=True)


def generated(plan: Plan) -> dict[str, bytes]:
    """{path below the release: content}."""
    own: tuple[PlannedService | External, ...] = (*plan.services, *plan.externals)
    there = plan.fleet.remotes
    peers: dict[str, object] = {s.kind: s for s in reversed(there)}  # of others only what this host has not itself
    peers |= {s.kind: s for s in own}
    names = {"plan": plan, "engines": [s for s in (*own, *there) if s.model or s.pulled], "peers": peers}
    options = {s.name: s.options for s in plan.services}
    return {
        o.path: _render(
            plan.catalog, o.template, {**names, "service": o.service, "options": options[o.service]}
        ).encode()
        for o in plan.outputs
    }


def _render(catalog: str | None, template: str, names: dict[str, object]) -> str:
    try:
        return _environment(catalog).get_template(template).render(names)
    except TemplateError as error:
        message = (error.message or type(error).__name__).replace("\n", " ")
        raise Refused(
            Problem(f"templates/{template}", f"cannot be rendered: {message}", "mend the template or the stack")
        ) from None
