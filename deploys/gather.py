"""One report for the fleet: every host adds its part, the last one has them all."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import TypeVar

from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.context import host

from ..errors import Refused
from ..schema import HostForecast, HostStock, Noun
from .journal import meant
from .observe import hurry
from .site import unexpected

T = TypeVar("T")
TellsT = TypeVar("TellsT", HostForecast, HostStock)
SILENT = "host: did not answer; is it overloaded? run again"
AWAY = "host: cannot be reached over SSH; check its address and its key"


def gather(
    file: str,
    found: MutableMapping[str, TellsT],
    look: Callable[[Host], TellsT | None],
    kind: type[TellsT],
    report: Callable[[dict[str, TellsT]], Noun],
) -> None:
    """Add what ``look`` finds of this host to ``found``; the last host writes the ``report`` of them all."""
    hurry(host)
    if hosts := gathered(host, found, looked(host, look, kind), kind(state="failed", problems=(AWAY,))):
        write(Path(file), report(hosts).model_dump_json(indent=1) + "\n")


def gathered(host: Host, found: MutableMapping[str, T], mine: T, away: T) -> dict[str, T] | None:
    """``found`` with this host's part, by name, ``away`` for those without SSH; None: others are still to come."""
    found[host.name] = mine
    if {h.name for h in host.state.inventory.get_active_hosts()} - found.keys():
        return None
    return {name: found.get(name, away) for name in sorted(found.keys() | _unreachable(host))}


def looked(host: Host, look: Callable[[Host], TellsT | None], kind: type[TellsT]) -> TellsT:
    """What ``look`` finds of this host, or why it finds nothing: the other hosts are told all the same."""
    try:
        return look(host) or kind(state="failed", problems=(SILENT,))
    except Refused as refused:
        return kind(state="blocked", problems=tuple(map(str, refused.problems)))
    except PyinfraError:
        raise
    except Exception as error:
        return kind(state="failed", problems=(unexpected(error),))


def _unreachable(host: Host) -> set[str]:
    """Hosts of this run that we could not log in to."""
    return {h.name for h in meant(host.state)} - {h.name for h in host.state.activated_hosts}


def write(file: Path, text: str) -> None:
    """Write the report where the user wants it, and say so."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        logger.error("report: %s cannot be written: %s; choose another file", file, error.strerror)
    else:
        logger.info("report: %s", file)
