"""The container engine, its version, its CDI devices and its containers."""

from __future__ import annotations

import json
from typing import Any, Literal

from ..schema import Container, Engine
from . import disk
from .disk import ROOM
from .section import Section, SectionFact

# Each call of docker costs 20 to 60 ms: `info` tells the plugins' versions and the data root too. Podman is
# no daemon: it is there or not. `store`: where images are, or will be.
INFO = (
    ROOM
    + r"""
if [ "${engine-}" = podman ]; then
  store=$(sed -n 's/^ *graphroot *= *"\(.*\)"/\1/p' /etc/containers/storage.conf /usr/share/containers/storage.conf)
  store=${store:-/var/lib/containers/storage}
  command -v podman >/dev/null && podman --version && echo "compose $(docker compose version --short)"
else
  store=$(sed -n 's/.*"data-root" *: *"\([^"]*\)".*/\1/p' /etc/docker/daemon.json)
  command -v docker >/dev/null && {
    echo "client $(command -v docker)"
    command -v dockerd >/dev/null && echo 'daemon yes'
    info=$(limit 20 docker info --format '{{json .}}' 2>&1)
    printf '%s\n' "$info" | sed 's/^/info /'
    told=$(printf '%s\n' "$info" | sed -n 's/.*"DockerRootDir":"\([^"]*\)".*/\1/p')
    # The image store of containerd, which keeps its own data root.
    case $info in *'"io.containerd.snapshotter.'*'"/run/containerd/containerd.sock"'*) told=/var/lib/containerd ;; esac
  }
  store=${told:-${store:-/var/lib/docker}}
fi
echo "store $(room "$(echo "$store" | head -n 1)")"
"""
)
IMAGES = r"""
limit 20 "${engine:-docker}" image ls --digests --format 'image {{.Repository}} {{.Tag}} {{.Digest}}'
"""
# Podman tells a container's health in its own words alone, not in those that it has for Docker's CLI.
CONTAINERS = r"""
label='{{.Label "com.docker.compose'
limit 20 "${engine:-docker}" ps -a --no-trunc --format "container {{.Names}}|{{.State}}|{{.Status}}|\
$label.project\"}}|$label.service\"}}|$label.config-hash\"}}|$label.oneoff\"}}|{{.Ports}}|$label.project.working_dir\"}}"
"""
CDI = r"""
cat /etc/cdi/*.yaml /etc/cdi/*.json /var/run/cdi/*.yaml /var/run/cdi/*.json 2>/dev/null |
  grep -oE '"?(kind|name)"?: *"?[^", ]+' | tr -d '" ' | sed 's/^/cdi /'
"""
# What runs under the other engine has the same directories and cards.
ELSEWHERE = r"""
label='{{.Label "com.docker.compose.project"}}'
if [ "${engine-}" = podman ]; then
  [ -e "$R/run/docker.pid" ] && limit 20 docker -H unix:///run/docker.sock ps -a --format "project $label"
else
  [ -L "$R/etc/systemd/system/sockets.target.wants/podman.socket" ] && limit 20 podman ps -a --format "project $label"
fi
"""


def parse(lines: list[str]) -> Engine:
    """The section's ``key value`` lines; without those of a client: no engine."""
    stores = disk.parse([line.removeprefix("store ") for line in lines if line.startswith("store ")])
    return _engine(lines).model_copy(update={"images": parse_images(lines), "store": next(iter(stores), None)})


def parse_images(lines: list[str]) -> tuple[str, ...]:
    """``REGISTRY/NAME:TAG`` and ``REGISTRY/NAME@DIGEST`` of the ``image`` lines, by which the engine knows them."""
    rows = [line.split(" ") for line in lines if line.startswith("image ")]
    found = [(_whole(row[1]), row[2], row[3]) for row in rows if len(row) == 4]
    names = {f"{name}{sign}{word}" for name, *words in found for sign, word in zip(":@", words, strict=True)}
    return tuple(sorted(name for name in names if "<none>" not in name))


def _whole(name: str) -> str:
    """The name of an image with its registry: Docker leaves out its own.

    >>> _whole("redis"), _whole("ollama/ollama"), _whole("ghcr.io/a/b"), _whole("localhost:5000/a")
    ('docker.io/library/redis', 'docker.io/ollama/ollama', 'ghcr.io/a/b', 'localhost:5000/a')
    """
    first, slash, _ = name.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def _engine(lines: list[str]) -> Engine:
    found = [(key, value) for key, _, value in (line.partition(" ") for line in lines)]
    if podman := dict(found).get("podman"):
        return _podman(podman, dict(found).get("compose"), lines)
    if not any(key == "client" for key, _ in found):
        return Engine()
    info, complaint = _info([value for key, value in found if key == "info"])
    server, client = info.get("ServerVersion"), info.get("ClientInfo") or {}
    if not server and ("daemon", "yes") not in found:
        return Engine()  # Docker's CLI alone, as Podman has it beside
    plugins = {p.get("Name"): p.get("Version") for p in client.get("Plugins") or []}
    return Engine(
        version=server or client.get("Version") or "unknown",
        compose_version=plugins.get("compose"),
        reachable=bool(server),
        complaint="" if server else complaint,
        cdi_devices=parse_cdi(lines) if info.get("CDISpecDirs") else (),
        runtimes=tuple(sorted(info.get("Runtimes") or {})),
        live_restore=bool(info.get("LiveRestoreEnabled")),
        containers=parse_containers(lines),
    )


def _podman(said: str, compose: str | None, lines: list[str]) -> Engine:
    """Of ``podman version 5.4.2``."""
    return Engine(
        name="podman",
        version=said.removeprefix("version "),
        compose_version=compose or None,
        reachable=True,
        cdi_devices=parse_cdi(lines),
        containers=parse_containers(lines),
    )


def parse_containers(lines: list[str]) -> tuple[Container, ...]:
    """The ``container`` lines that are whole."""
    rows = (line.removeprefix("container ") for line in lines if line.startswith("container "))
    return tuple(c for row in rows if (c := container(row)))


def _info(lines: list[str]) -> tuple[dict[str, Any], str]:
    """What `docker info` says, and what it complains about: text around the JSON, which may be there all the same."""
    info: dict[str, Any] = {}
    complaints: list[str] = []
    for line in lines:
        try:
            info = dict(json.loads(line))
        except (ValueError, TypeError):
            complaints += [line.strip()] if line.strip() else []
    return info, "; ".join(complaints) or "no answer within 20 s"


def parse_cdi(lines: list[str]) -> tuple[str, ...]:
    """CDI device names: each ``name:`` belongs to the ``kind:`` of its specification."""
    names: set[str] = set()
    kind = ""
    for line in lines:
        key, _, value = line.removeprefix("cdi ").partition(":")
        if not line.startswith("cdi "):
            continue
        if key == "kind":
            kind = value
        elif kind:
            names.add(f"{kind}={value}")
    return tuple(sorted(names))


def parse_elsewhere(lines: list[str]) -> tuple[str, ...]:
    """Compose's projects; a container that is nobody's has an empty one.

    >>> parse_elsewhere(["project web", "project ", "project mine", "project web"])
    ('mine', 'web')
    """
    found = {project for key, _, project in (line.partition(" ") for line in lines) if key == "project"}
    return tuple(sorted(found - {""}))


def container(line: str) -> Container | None:
    """A line of `docker ps`; None for one that is not whole, and for what Compose does not manage.

    That is what somebody runs by `docker compose run`, or has given its labels by hand.
    """
    parts = line.split("|")
    if len(parts) != 9 or parts[6] == "True" or (parts[3] and not parts[5]):
        return None
    name, state, status, project, service, config_hash, _, ports, directory = parts
    return Container(
        name=name,
        state=state,
        health=_health(status),
        project=project,
        service=service,
        config_hash=config_hash,
        ports=ports,
        directory=directory,
    )


def _health(status: str) -> Literal["healthy", "unhealthy", "starting", "none"]:
    if "(healthy)" in status:
        return "healthy"
    if "(unhealthy)" in status:
        return "unhealthy"
    return "starting" if "(health: starting)" in status else "none"


SECTION = Section("engine", INFO + IMAGES + CONTAINERS + CDI, parse)
CDI_SECTION = Section("cdi", CDI, parse_cdi)
CONTAINERS_SECTION = Section("containers", CONTAINERS, parse_containers)
ELSEWHERE_SECTION = Section("elsewhere", ELSEWHERE, parse_elsewhere)


class ContainerEngine(SectionFact[Engine]):
    """Returns the engine: ``{"version": "26.1.5", "compose_version": "2.26.1", "reachable": true, ...}``."""

    section = SECTION
