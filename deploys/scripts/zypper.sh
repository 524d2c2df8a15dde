# Install $packages (NAME or NAME=VERSION), keep those of $hold from upgrades.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! zypper -q -n install --no-recommends $packages ca-certificates curl >>"$log" 2>&1; then
  echo "packages: cannot install $packages; check their versions and the mirrors, the last lines of zypper follow" >&2
  tail -n 15 "$log" >&2
  exit 1
fi
[ -z "$hold" ] || zypper -q addlock $hold >>"$log" 2>&1
