# Install $packages (NAME or NAME=VERSION), keep those of $hold from upgrades.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
exact=$(echo "$packages" | sed 's/=/-/g')
if ! dnf -q -y --setopt=install_weak_deps=False install $exact ca-certificates curl >>"$log" 2>&1; then
  echo "packages: cannot install $packages; check their versions and the mirrors, the last lines of dnf follow" >&2
  tail -n 15 "$log" >&2
  exit 1
fi
if [ -n "$hold" ]; then
  dnf -q -y install 'dnf-command(versionlock)' >>"$log" 2>&1 && dnf -q versionlock add $hold >>"$log" 2>&1 ||
    echo "engine: cannot hold $hold; install the versionlock plugin of dnf" >&2
fi
