"""Listening TCP ports, and by whom."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from ..schema import Listener
from .section import Section, SectionFact

# Only root sees the owners of sockets; without it the lines of the second part are missing.
SCRIPT = r"""
sockets=$(awk '$4 == "0A" {print $2, $10}' "$R/proc/net/tcp" "$R/proc/net/tcp6")
echo "$sockets" | sed 's/^/listen /'
ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v list="$sockets" '
  BEGIN { n = split(list, part, /[ \n]/); for (i = 2; i <= n; i += 2) wanted[part[i]] = 1 }
  /^\/proc\// { split($0, path, "/"); pid = path[3] }
  /socket:\[/ { inode = $NF; gsub(/[^0-9]/, "", inode); if (wanted[inode]) { print inode, pid; wanted[inode] = 0 } }
' | while read -r inode pid; do read -r comm <"/proc/$pid/comm" && echo "owner $inode $comm (pid $pid)"; done
"""


LISTEN = re.compile(r"listen ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) (\d+)")
OWNER = re.compile(r"owner (\d+) (.+)")


def parse(lines: list[str]) -> tuple[Listener, ...]:
    """``listen ADDRESS:PORT INODE`` (hex, as /proc prints them) and ``owner INODE NAME`` lines."""
    owners = {m[1]: m[2] for line in lines if (m := OWNER.fullmatch(line))}
    found = {_listener(m[1], m[2], owners.get(m[3])) for line in lines if (m := LISTEN.fullmatch(line))}
    return tuple(sorted(found, key=lambda x: (x.port, x.address)))


def _listener(address: str, port: str, process: str | None) -> Listener:
    return Listener(address=_address(address), port=int(port, 16), process=process)


def _address(text: str) -> str:
    """An address as /proc/net prints it: 32-bit words in the host's byte order (little-endian here).

    >>> _address("0100007F"), _address("00000000000000000000000000000000")
    ('127.0.0.1', '::')
    """
    words = b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8))
    return str(IPv4Address(words) if len(words) == 4 else IPv6Address(words).ipv4_mapped or IPv6Address(words))


SECTION = Section("ports", SCRIPT, parse)


class Ports(SectionFact[tuple[Listener, ...]]):
    """Returns what listens: ``[{"address": "0.0.0.0", "port": 22, "process": "sshd (pid 812)"}]``."""

    section = SECTION
