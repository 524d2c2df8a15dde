"""What is there of engine and toolkit: packages, daemon.json, package sources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..schema import Plumbing
from ..schema.provision import ENGINES, MARK
from .locks import held
from .section import Section

# apt-mark would take 100 ms: a package on hold is wanted as `hold`. A process's start is in its stat, in hundredths of
# a second since boot; its directory's time is that of the first look at it. Boot is
# known to the second alone.
SCRIPT = r"""
names='docker.io docker-ce docker-ce-cli docker-cli containerd.io containerd runc docker-compose docker-compose-v2
  docker-compose-plugin docker-doc podman-docker docker podman nvidia-container-toolkit
  nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1 amd-container-toolkit
  dkms epel-release nvidia-driver-cuda nvidia-kernel-open-dkms nvidia-kernel-dkms kmod-nvidia-open-dkms
  kmod-nvidia-latest-dkms amdgpu-dkms'
stale=
if command -v dpkg-query >/dev/null; then
  dpkg-query -W -f 'package ${db:Status-Want} ${db:Status-Status} ${Package} ${Version}\n' $names $packages
  for f in "$R"/var/lib/dpkg/updates/[0-9]*; do [ -e "$f" ] && echo "half ${f##*/}"; done
elif command -v rpm >/dev/null; then
  rpm -q --qf 'package install installed %{NAME} %{VERSION}-%{RELEASE}\n' $names $packages | grep '^package install'
  # By the name of the kernel it is for: there may be one for each kernel.
  kernel=$(uname -r)
  [ -e "$R/usr/src/kernels/$kernel/Makefile" ] && echo "package install installed kernel-devel-$kernel -"
  for f in dnf/plugins/versionlock.list dnf/versionlock.toml zypp/locks; do
    awk -v f=$f '{ print "lock " f " " $0 }' "$R/etc/$f"
  done
fi
# The last line may lack its end.
awk '{ print "daemon " $0 }' "$R/etc/docker/daemon.json"
for f in $files; do sha256sum "$f" | sed 's/^/digest /'; done
e=$R/etc
grep -sHoE 'https?://[^] "]+' "$e"/apt/sources.list "$e"/apt/sources.list.d/* "$e"/yum.repos.d/* "$e"/zypp/repos.d/* |
  sed 's/^/source /'
grep -snE '^[[:space:]]*blacklist[[:space:]]+(nvidia|amdgpu)([[:space:]]|$)' "$R"/etc/modprobe.d/*.conf \
  "$R"/lib/modprobe.d/*.conf /dev/null | sed 's/^/kept_out /'
grep -qsw nomodeset "$R/proc/cmdline" && echo 'kept_out /proc/cmdline:1:nomodeset'
# Of the unit, not of the process: they count at the next start.
systemctl show -p ExecStart -p UnitFileState -p ActiveState docker.service |
  sed -n 's/^ExecStart=/flags /p; s/^UnitFileState=/unit /p; s/^ActiveState=/active /p'
pid=$(cat "$R/run/docker.pid") && {
  boot=$(awk '/^btime/ { print $2 }' /proc/stat)
  born=$(awk -v boot="$boot" '{ sub(/.*\) /, ""); print int(boot + $20 / 100) + 1 }' "/proc/$pid/stat")
  for f in /etc/docker/daemon.json /usr/bin/nvidia-container-runtime-hook; do
    [ -e $f ] && [ "$(stat -L -c %Z $f)" -gt "$born" ] && echo "stale $f" && stale=yes
  done
  # What it has loaded is what is there, unless that is newer; asking costs as much as all the rest.
  [ -z "$cards$plain" ] || [ -z "$stale" ] || limit 20 docker info --format '{{json .}}' | sed 's/^/info /'
}
[ -d "$R/snap/docker/current" ] && echo snap
[ -S "$R/run/podman/podman.sock" ] && [ -L "$R/etc/systemd/system/sockets.target.wants/podman.socket" ] && echo socket
grep -slx 'MARK' "$e"/apt/sources.list.d/* "$e"/yum.repos.d/* "$e"/zypp/repos.d/* | sed 's/^/ours /'
""".replace("MARK", MARK)

_VENDORS = (
    "download.docker.com", "nvidia.github.io", "repo.radeon.com/amdgpu/", "repo.radeon.com/amd-container-toolkit/"
)  # fmt: skip


def parse(lines: list[str]) -> Plumbing:
    """The section's ``key value`` lines."""
    rows = [(key, value) for key, _, value in (line.partition(" ") for line in lines)]
    found = [value.split() for key, value in rows if key == "package" and len(value.split()) == 4]
    installed = {name: version for _, status, name, version in found if status == "installed"}
    daemon = [value for key, value in rows if key == "daemon"]
    info = _info([value for key, value in rows if key == "info"])
    digests = (value.split("  ", 1) for key, value in rows if key == "digest" and "  " in value)
    return Plumbing(
        packages=installed,
        held=(
            *(name for want, _, name, _ in found if want == "hold" and name in installed),
            *held([value for key, value in rows if key == "lock"], installed),
        ),
        half=(
            *(name for _, status, name, _ in found if status not in ("installed", "not-installed", "config-files")),
            *_twice([(name, version) for _, _, name, version in found]),
            *(value for key, value in rows if key == "half"),
        ),
        engine=info.get("ServerVersion") or next((installed[n] for n in ENGINES if n in installed), None),
        live=(*_live(info),),
        daemon="\n".join(daemon) if daemon else None,
        flags=_flags(next((value for key, value in rows if key == "flags"), "")),
        stale=tuple(value for key, value in rows if key == "stale"),
        digests={path: digest for digest, path in digests},
        foreign=_foreign([value for key, value in rows if key == "source"]),
        ours=tuple(value for key, value in rows if key == "ours"),
        kept_out=tuple(value for key, value in rows if key == "kept_out"),
        snap=("snap", "") in rows,
        socket=("socket", "") in rows,
        disabled=dict(rows).get("unit") == "disabled",
        stopped=dict(rows).get("active") == "inactive",
    )


def _twice(found: list[tuple[str, str]]) -> list[str]:
    """Packages that are there in two versions: an rpm that was interrupted has not come to removing the earlier one.

    >>> _twice([("docker", "1-1"), ("docker", "2-1"), ("dkms", "3-1"), ("dkms", "3-1")])
    ['docker']
    """
    names = [name for name, _ in sorted(set(found))]
    return sorted({name for name in names if names.count(name) > 1})


def _flags(command: str) -> tuple[str, ...]:
    """Long options of a command line; ``-H`` is ``host``.

    >>> _flags("argv[]=/usr/bin/dockerd -H fd:// --registry-mirror=http://hub --debug ; ignore_errors=no")
    ('host', 'registry-mirror', 'debug')
    """
    return tuple(long or "host" for long in re.findall(r" -(?:-([a-z-]+)|H\b)", command))


def _info(lines: list[str]) -> dict[str, Any]:
    """What `docker info` says; nothing where it cannot be read."""
    with suppress(ValueError, TypeError):
        return dict(json.loads("".join(lines)))
    return {}


def _live(info: Mapping[str, Any]) -> Iterator[str]:
    """What dockerd has loaded: the ways to cards, and registries without TLS.

    >>> [*_live({"CDISpecDirs": ["/etc/cdi"], "RegistryConfig": {"IndexConfigs": {"cache:5000": {"Secure": False}}}})]
    ['cdi', 'cache:5000']
    """
    yield from ["cdi"] if info.get("CDISpecDirs") else []
    yield from (name for name in info.get("Runtimes") or {} if name == "nvidia")
    registries = (info.get("RegistryConfig") or {}).get("IndexConfigs") or {}
    yield from (name for name, told in registries.items() if not told.get("Secure", True))


def _foreign(rows: list[str]) -> dict[str, tuple[str, ...]]:
    """Vendors whose packages a file of package sources names, by file. A mirror's URL holds the vendor's."""
    found: dict[str, tuple[str, ...]] = {}
    for file, _, url in (row.partition(":") for row in rows):
        for vendor in _VENDORS:
            if vendor in url and vendor not in found.get(file, ()):
                found[file] = (*found.get(file, ()), vendor)
    return found


SECTION = Section("plumbing", SCRIPT, parse)
