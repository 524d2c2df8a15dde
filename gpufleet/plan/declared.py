"""What a stack says of a service, held against the service's own entry."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import Problem, Refused, choose
from ..schema import Model, Service, Settings, StackService
from ..schema.forms import FORMS
from .library import called


def check_ports(where: str, entry: StackService, service: Service, publish: int | None) -> None:
    """Refuse further ports that the program does not have, and one on the host itself that is not said."""
    for name in entry.publish_more:
        if name not in service.ports:
            what = f"{entry.service} has no port '{name}'"
            raise Refused(Problem(f"{where}/publish_more", what, choose(name, service.ports)))
    if service.host_network and publish is None:
        what = f"{entry.service} listens on the host itself"
        raise Refused(Problem(where, what, f"say at which port: `publish: {service.port}`"))


def shared_port(
    where: str, key: str, entry: StackService, service: Service, settings: Settings
) -> tuple[int, int] | None:
    """The port at which other hosts may reach it, and the container's; raises Refused."""
    if entry.share is None:
        return None
    told = entry.share if isinstance(entry.share, dict) else {"": entry.share}
    name, number = next(iter(told.items()))
    if name and name not in service.ports:
        what = f"{entry.service} has no port '{name}'"
        raise Refused(Problem(f"{where}/share", what, choose(name, service.ports)))
    return settings.ports.get(f"{key}/share", number), service.ports[name] if name else service.port


def check_card(where: str, key: str, entry: StackService, service: Service, settings: Settings) -> None:
    """Refuse the card of a program that uses none."""
    for said, by in ((key in settings.cards, f"group_data/cards/{key}"), (entry.card is not None, f"{where}/card")):
        if said and service.gpu == "none":
            raise Refused(Problem(by, f"{entry.service} uses no card", "leave it out"))


def check_models(where: str, entry: StackService, service: Service) -> None:
    """A program takes no models, one that it is started with, or many that it loads by itself."""
    many = bool(entry.models or entry.on_demand)
    if service.models == "one" and (many or not entry.model):
        fix = "add `model: NAME` with a name of the stack's models"
        raise Refused(Problem(where, f"{entry.service} needs a model", fix))
    if service.models == "many" and entry.model:
        raise Refused(Problem(f"{where}/model", f"{entry.service} loads many", "write it into `models: [...]`"))
    if service.models == "none" and (many or entry.model):
        raise Refused(Problem(where, f"{entry.service} takes no models", "leave them out"))


def check_source(where: str, name: str, service: Service, model: Model, ours: bool) -> None:
    """Refuse a model that the program cannot come by: a file for one that pulls by name, or the other way round.

    ``ours``: the stack's own choice, of which a file may be one that the program finds by itself.
    """
    if model.pull and service.pulls and not FORMS[service.pulls].fits(model.pull):
        fix = f"choose another model, or {FORMS[service.pulls].fix}"
        raise Refused(Problem(where, f"{name} fetches no model by such a name as {model.pull}", fix))
    if service.library:
        if not called(model):
            what = f"{name} takes a name of its registry's, or one file .gguf, unlike {model.label}"
            raise Refused(Problem(where, what, "choose another model"))
        return
    said = " ".join([*service.command, *service.environment.values(), *(s.check + s.run for s in service.steps)])
    if model.pull and ".pull" not in said:
        what = f"{name} is started with a file, and {model.label} is fetched by its program"
        raise Refused(Problem(where, what, "choose a model that has a `file`"))
    if model.file and not ours and ".folder" in said and ".file" not in said:
        what, fix = f"{name} loads whole repositories, and {model.label} is one file", "choose a model of a `repo`"
        raise Refused(Problem(where, what, "leave `file` out" if model.repo else fix))
    known = [*model.pieces] or [model.file or service.suffix]
    if not model.pull and service.suffix and not any(path.endswith(service.suffix) for path in known):
        what = f"{name} loads files that end in {service.suffix}, unlike {model.label}"
        raise Refused(Problem(where, what, "choose another model"))
    kind = "file" if model.file else "folder"
    if not model.pull and not ours and ".pull" in said and f".{kind}" not in said:
        what = f"{name} fetches its models by name, and {model.label} is a {kind}"
        raise Refused(Problem(where, what, "choose a model that has a `pull`"))


def check_order(stack: str, needs: Mapping[str, set[str]], away: Mapping[str, str], settings: Settings) -> None:
    """Refuse dependencies on what does not run here, and cycles.

    ``needs``: by service what it waits for; ``away``: by service of the stack that does not run here why not.
    """
    for name, others in needs.items():
        for other in sorted(others - needs.keys()):
            where = f"stacks/{stack}/services/{name}/depends_on"
            if other not in away:
                raise Refused(Problem(where, f"'{other}' does not run here", choose(other, needs.keys() - {name})))
            raise Refused(_away(where, name, other, away[other], settings))
    while needs:
        ready = [n for n, others in needs.items() if not others & needs.keys()]
        if not ready:
            where, those = f"stacks/{stack}/services", sorted(needs)
            what = f"{', '.join(those)} wait for each other" if len(those) > 1 else f"{those[0]} waits for itself"
            raise Refused(Problem(where, what, "break the cycle in depends_on"))
        needs = {n: others for n, others in needs.items() if n not in ready}


def _away(where: str, name: str, other: str, why: str, settings: Settings) -> Problem:
    """The line for a service that does not run here, and another that waits for it."""
    if settings.services.get(other) is False:
        fix = f"leave {name} out, too, or give {other} under `external` where it runs already and speaks HTTP"
        return Problem(f"group_data/services/{other}", f"{name} waits for it", fix)
    return Problem(where, f"{other} does not run here: {why}", f"leave {name} out, too")
