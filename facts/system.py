"""Distribution, user, memory."""

from __future__ import annotations

from ..schema import System
from .section import Section, SectionFact

SCRIPT = r"""
sed -n 's/^ID=/distro /p; s/^VERSION_ID=/distro_version /p' "$R/etc/os-release" | tr -d '"'
uname -mr | { read -r kernel arch; echo "arch $arch"; echo "kernel $kernel"; }
for v in "$R"/sys/firmware/efi/efivars/SecureBoot-*; do
  [ -r "$v" ] && [ "$(od -An -t u1 "$v" | awk '{ print $NF }')" = 1 ] || continue
  echo 'secure_boot yes'
  # What dkms signs with: Debian's, Fedora's and EL's dkms 3; Ubuntu's.
  for k in "$R/var/lib/dkms/mok.pub" "$R/var/lib/shim-signed/mok/MOK.der"; do
    [ -e "$k" ] && mokutil --test-key "$k" | grep -q 'is already enrolled' && echo 'own_key yes'
  done
done
echo "uid $(id -u)"
sed -n 's/^MemTotal: *\([0-9]*\) kB/memory_kib \1/p' "$R/proc/meminfo"
[ -e "$R/sys/fs/selinux/enforce" ] && echo 'selinux yes'
awk '/\|--/ { a = $2 } /32 host LOCAL/ { print "address", a }' "$R/proc/net/fib_trie" | sort -u
for m in apt-get dnf zypper; do command -v $m >/dev/null && { echo "package_manager $m"; break; }; done
"""


def parse(lines: list[str]) -> System:
    """The section's ``key value`` lines."""
    rows = [line.split(" ", 1) for line in lines if " " in line]
    found = {row[0]: row[1] for row in rows}
    return System(
        distro=found.get("distro", "unknown"),
        distro_version=found.get("distro_version", ""),
        arch=found.get("arch", "unknown"),
        uid=int(found["uid"]) if found.get("uid", "").isdecimal() else -1,
        memory_mib=int(found["memory_kib"]) // 1024 if found.get("memory_kib", "").isdecimal() else 0,
        selinux="selinux" in found,
        kernel=found.get("kernel", ""),
        secure_boot="secure_boot" in found,
        own_key="own_key" in found,
        package_manager=found.get("package_manager", ""),
        addresses=tuple(value for key, value in rows if key == "address"),
    )


SECTION = Section("system", SCRIPT, parse)


class Host(SectionFact[System]):
    """Returns distribution, user and memory: ``{"distro": "debian", "memory_mib": 64216, ...}``."""

    section = SECTION
