"""What external services answer, asked from the host itself."""

from __future__ import annotations

import re

from .section import Section

# One line each: the URL, then the HTTP status, or curl's complaint and the status 000. Where curl is not there yet (the
# first run installs it), nothing is known of them.
SCRIPT = r"""
command -v curl >/dev/null || exit 0
for url in $urls; do
  said=$(curl -sSg -o /dev/null --max-time 5 --noproxy '*' -w '%{http_code}' "$url" 2>&1)
  echo "$url $(echo $said)"
done
"""

COMPLAINT = re.compile(r"curl: \(\d+\) (.*?)(?: 000)?")


def parse(lines: list[str]) -> dict[str, str]:
    """``URL STATUS`` and ``URL curl: (7) WHY 000`` lines, by URL."""
    rows = (line.partition(" ") for line in lines)
    return {url: m[1] if (m := COMPLAINT.fullmatch(said)) else said for url, _, said in rows if said}


SECTION = Section("answers", SCRIPT, parse)
