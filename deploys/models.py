"""Model files: fetched once, verified, visible only when complete."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api.operation import operation

from ..schema import Download
from .observe import Target, forget, observe

# The final name appears only after the checksum: who sees the file sees all of it. A partial file is resumed; one that
# stalls below 1 KiB/s for a minute is tried again; a file of another size under our name is the user's and is set aside.
FETCH = """
set -e
umask 022
file={path}; part="$file.partial"
[ ! -e "$file" ] || mv "$file" "$file.set-aside"
size() {{ stat -c %s "$part" 2>/dev/null || echo 0; }}
[ "$(size)" -le {bytes} ] || rm -f "$part"
try=0
while [ "$(size)" -lt {bytes} ]; do
  try=$((try + 1))
  curl -fsSL --connect-timeout 20 --speed-limit 1024 --speed-time 60 -C - -o "$part" '{url}' 2>"$part.log" && break
  if [ $try -ge 5 ]; then
    echo "models/${{file##*/}}: cannot fetch {url}: $(tail -n 1 "$part.log"); check the address and the network, then run again" >&2
    rm -f "$part.log"; exit 1
  fi
  sleep $((try * 2))
done
rm -f "$part.log"
if ! echo "{sha256}  $part" | sha256sum -c --status; then
  got=$(sha256sum <"$part" | cut -c1-64); rm -f "$part"
  echo "models/${{file##*/}}: sha256 is $got, not {sha256}; the source has other bytes: check the model's entry, then run again" >&2
  exit 1
fi
sync "$part"; mv "$part" "$file"
"""


@operation()
def fetched(target: Target) -> Iterator[str]:
    """Fetch the models that are not there whole."""
    entries = observe(host, target).entries
    missing = [d for d in target.plan.downloads if not _whole(d, entries[d.path].size if d.path in entries else None)]
    if not missing:
        host.noop(f"{len(target.plan.downloads)} models")
        return
    for download in missing:
        yield FETCH.format(**download.model_dump())
    forget(host)


def _whole(download: Download, size: int | None) -> bool:
    """A file under its final name was verified before it got that name: its size tells the rest."""
    return size == download.bytes
