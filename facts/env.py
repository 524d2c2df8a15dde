"""Which secrets the host's .env has, and whether it can be read.

Names and numbers of lines, never the values: -vvv shows what a fact prints.
"""

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

# Numbers of the lines that Compose cannot read; it would show what stands in them and after them.
WRONG = r"""
awk '
  open != "" { if (index($0, open)) open = ""; next }
  /^[ \t\r]*(#.*)?$/ { next }
  !/^[ \t]*(export[ \t]+)?[][A-Za-z0-9_.-]+[ \t\r]*([=:].*)?$/ { print NR; next }
  {
    value = $0
    sub(/^[^=:]*[=:][ \t]*/, "", value)
    quote = substr(value, 1, 1)
    if ((quote == "\"" || quote == "\047") && !index(substr(value, 2), quote)) { open = quote; begun = NR }
  }
  END { if (open != "") print begun }
' "$root/.env"
"""

SECTION = Section("env_keys", ENV, tuple[str, ...])
WRONG_SECTION = Section("env_wrong", WRONG, lambda lines: tuple(int(line) for line in lines if line.isdecimal()))
