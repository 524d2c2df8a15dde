"""One service on every host of the fleet: where it is, why, what it asks of which memory, what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from ..schema import External, Forecast, HostForecast, Ledger, Line, PlacedService
from . import words


def explain(found: Forecast, service: str) -> Text:
    """The lines for people; hosts of which they are the same are told together."""
    told: dict[tuple[str, ...], list[str]] = {}
    for name, host in found.hosts.items():
        for placed in (s for s in host.services if s.name == service):
            told.setdefault(tuple(_lines(host, placed)), []).append(name)
        for external in (e for e in host.externals if e.name == service):
            told.setdefault(tuple(_external(host, external)), []).append(name)
        if why := host.left_out.get(service):
            told.setdefault((f"does not run here: {why}",), []).append(name)
        if host.problems:
            told.setdefault(host.problems, []).append(name)
    blocks = ("\n  ".join([f"{', '.join(hosts)}: {service}", *lines]) for lines, hosts in told.items())
    return Text("\n".join(blocks))


def _lines(host: HostForecast, service: PlacedService) -> Iterator[str]:
    called = words.names(host)
    where = ", ".join(f"{called.get(device, '')} {device} by {service.accelerator}" for device in service.devices)
    yield f"runs on {where.strip() or 'the CPU'}: {service.reason}"
    yield f"image {service.image}"
    for model in service.models:
        gone = service.unloads.get(model, ())
        yield f"model {model}" + (f", for which {', '.join(gone)} is unloaded" if gone else "")
    for book in host.ledgers:
        for line, turn in _charged(book, service):
            yield f"{line.mib:>8} MiB of {called[book.device]} ({book.name}): {line.what}{turn}"
    yield f"memory limit {service.memory_mib} MiB"
    yield f"published as {service.url}" if service.url else "reached only from its stack"
    if service.depends_on:
        yield f"starts after {', '.join(service.depends_on)}"
    done = _done(host, service.name)
    if done or host.state in ("same", "changes"):
        yield done or "its container stays as it is"


def _external(host: HostForecast, service: External) -> Iterator[str]:
    yield f"external: it runs already, at {service.at}, and is left as it is"
    if service.url != service.at:
        yield f"containers reach it at {service.url}"
    yield f"must answer {service.asks} with HTTP {service.status}"
    if service.needed_by:
        yield f"used by {', '.join(service.needed_by)}"
    if done := _done(host, service.name):
        yield done


def _done(host: HostForecast, service: str) -> str:
    """What a run would do to a service's container; empty: nothing."""
    done = next((c for c in host.containers if c.service == service), None)
    return f"a run would {done.action} its container: it {done.why}" if done else ""


def _charged(book: Ledger, service: PlacedService) -> Iterator[tuple[Line, str]]:
    """The service's lines of a ledger, and with whom they take turns."""
    always = [(line, "") for line in book.lines]
    turns = [(line, f" (one at a time, {t.name})") for t in book.turns for lines in t.each for line in lines]
    yield from (told for told in (*always, *turns) if told[0].service == service.name)
