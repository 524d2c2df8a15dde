# Install $packages (NAME or NAME=VERSION), keep those of $hold from upgrades. It waits for another apt's lock instead of
# failing at once; nothing may ask a question. $first decides on the versions of the others, so it comes before them.
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { apt-get -q -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1; }
put() { apt install -y --no-install-recommends --allow-change-held-packages --allow-downgrades "$@"; }
# Finish what an interrupted package manager left half configured. dpkg, unlike apt, does not wait for the lock itself.
finish() {
  for _ in $(seq 60); do
    said=$(dpkg --configure -a 2>&1) && return
    case $said in *"lock was locked by"*) sleep 5 ;; *) break ;; esac
  done
  echo "$said" >>"$log"
  return 1
}
if ! { finish && apt update && { [ -z "$first" ] || put $first; } && put $packages ca-certificates curl; }; then
  echo "packages: cannot install $packages; check their versions and the mirrors, the last lines of apt follow" >&2
  tail -n 15 "$log" >&2
  exit 1
fi
[ -z "$hold" ] || apt-mark hold $hold >>"$log"
