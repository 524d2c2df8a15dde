"""Everything the doctor asks of a host, in one remote command."""

from __future__ import annotations

from typing import Any

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..schema import Health, HostFacts
from . import host
from .section import Section, parse, probe

SCRIPT = r"""
sed -n 's/^MemAvailable: *\([0-9]*\) kB/available_kib \1/p' "$R/proc/meminfo"
p=$root; while [ ! -e "$p" ]; do p=${p%/*}; [ -n "$p" ] || p=/; done
df -Pi "$p" | awk 'NR == 2 && $2 > 0 { printf "inodes_free_percent %d\n", 100 * $4 / $2 }'
echo "clock $(date +%s)"
echo "clock_synchronized $(limit 5 timedatectl show -p NTPSynchronized --value)"
for name in $names; do limit 5 getent hosts "$name" >/dev/null || echo "unresolved $name"; done
for v in "$R"/sys/firmware/efi/efivars/SecureBoot-*; do
  [ -r "$v" ] && echo "secure_boot $(od -An -t u1 "$v" | awk '{ print $NF }')"
done
[ -e "$R/run/reboot-required" ] && echo 'reboot_required yes'
"""
# The driver's own packages, not the toolkit's: only the former must match what is loaded.
UPGRADES = r"""
command -v apt-mark >/dev/null || exit 0
apt-config dump APT::Periodic::Unattended-Upgrade | grep -q '"[1-9]' || exit 0
held=" $(apt-mark showhold | tr '\n' ' ') "
excluded=$(apt-config dump Unattended-Upgrade::Package-Blacklist)
case $excluded in *nvidia*) exit 0 ;; esac
dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'nvidia-driver*' 'libnvidia-compute*' 'nvidia-dkms*' 'amdgpu-dkms' |
  while read -r status package; do
    [ "$status" = installed ] || continue
    case $held in *" $package "*) ;; *) echo "$package" ;; esac
  done
"""
# Opening the control device needs nothing in the image but a shell, and disturbs nothing.
CONTAINERS = r"""
printf '%s\n' "$programs" | while IFS='	' read -r name pattern; do
  [ -n "$name" ] || continue
  [ -z "$pattern" ] || limit 20 docker logs "$name" 2>&1 | grep -m 1 -E "$pattern" | sed "s/^/on_cpu $name /"
  limit 20 docker exec "$name" sh -c 'for d in /dev/nvidiactl /dev/kfd; do [ ! -e $d ] || : <$d; done' 2>&1 |
    grep -m 1 'not permitted' | sed "s/^/lost $name /"
done
"""


def parse_health(lines: list[str]) -> dict[str, Any]:
    """Fields of Health from ``key value`` lines; what cannot be read stays unknown."""
    rows = [(key, value.strip()) for key, _, value in (line.partition(" ") for line in lines)]
    one = dict(rows)
    kib, synchronized, secure = (_int(one.get("available_kib")), one.get("clock_synchronized"), one.get("secure_boot"))
    return {
        "available_mib": None if kib is None else kib // 1024,
        "inodes_free_percent": _int(one.get("inodes_free_percent")),
        "clock": _int(one.get("clock")),
        "clock_synchronized": {"yes": True, "no": False}.get(synchronized or ""),
        "unresolved": tuple(value for key, value in rows if key == "unresolved"),
        "secure_boot": {"1": True, "0": False}.get(secure or ""),
        "reboot_required": "reboot_required" in one,
    }


def _int(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def parse_containers(lines: list[str]) -> dict[str, dict[str, str]]:
    """``on_cpu`` and ``lost``, each a line by container."""
    rows = [line.split(" ", 2) for line in lines if line.count(" ") >= 2]
    return {key: {name: text for k, name, text in rows if k == key} for key in ("on_cpu", "lost")}


OWN: list[Section[Any]] = [
    Section("health", SCRIPT, parse_health),
    Section("upgrades", UPGRADES, tuple[str, ...]),
    Section("programs", CONTAINERS, parse_containers),
]


class Checkup(FactBase[tuple[HostFacts, Health] | None]):
    """Returns HostFacts and Health; None when the host did not answer.

    ``models`` and ``operators`` as in Facts; ``names`` to resolve, ``programs`` (container, tab, pattern): a line each.
    """

    @override
    def command(self, root: str, models: str, operators: str, names: str, programs: str) -> str:
        more = {"models": models, "operators": operators, "names": names, "programs": programs}
        return probe([*host.SECTIONS, *OWN], root=root, **more)

    @override
    def process(self, output: list[str]) -> tuple[HostFacts, Health]:
        found = parse(OWN, output)
        health = Health(**found["health"], **found["programs"], upgradable_drivers=found["upgrades"])
        return host.Facts().process(output), health
