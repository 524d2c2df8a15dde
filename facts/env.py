"""Which secrets the host's .env has: their names and never the values, as -vvv shows what a fact prints."""

from __future__ import annotations

from .section import Section

# NAME DIGEST: whether .env has a value for it; with a digest (of what stands behind the `=`, the first
# letters of its sha256), that very one.
HAS = r"""
has() {
  value=$(sed -n "s/^[ \t]*$1=//p" "$root/.env" | tail -n 1)
  [ -n "$value" ] && { [ -z "$2" ] || [ "$(printf %s "$value" | sha256sum | cut -c1-5)" = "$2" ]; }
}
"""
ENV = rf"""{HAS}
echo "$secrets" | while read -r name digest; do has "$name" "$digest" && echo "$name"; done
"""

SECTION = Section("env_keys", ENV, tuple[str, ...])
