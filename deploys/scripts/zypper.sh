# Install $packages (NAME or NAME=VERSION), keep those of $hold from upgrades. It waits for another zypper's lock.
export LC_ALL=C ZYPP_LOCK_TIMEOUT=300
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# From 102 on it has done what it was asked to: restart something, another repository is broken.
manage() {
  rc=0
  zypper -q -n "$@" >>"$log" 2>&1 || rc=$?
  case $rc in 0 | 102 | 103 | 106) ;; *) return $rc ;; esac
}
was=
for name in $hold; do
  ! grep -qsx "solvable_name: $name" /etc/zypp/locks || was="$was $name"
done
command -v curl >/dev/null || packages="$packages curl"
# What is locked cannot be brought to another version, older or newer.
[ -z "$was" ] || manage removelock $was
manage refresh || true # it would not by itself; another repository may be broken
if ! manage install --no-recommends --oldpackage $packages; then
  echo "packages: cannot install $packages; check their versions and the mirrors, the last lines of zypper follow" >&2
  tail -n 15 "$log" >&2
  [ -z "$was" ] || manage addlock $was
  exit 1
fi
[ -z "$hold" ] || manage addlock $hold || {
  echo "packages: cannot hold $hold" >&2
  exit 1
}
