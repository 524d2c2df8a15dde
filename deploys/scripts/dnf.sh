# Install $packages (NAME or NAME=VERSION), keep those of $hold from upgrades. $first: streams of modules, which decide on
# versions. Both dnf 4 and dnf 5 know all of this.
export LC_ALL=C
set -f # versions have wildcards, which are dnf's
log=$(mktemp)
trap 'rm -f "$log"' EXIT
fail() {
  echo "packages: $1, the last lines of dnf follow" >&2
  echo "${why:-$(tail -n 15 "$log")}" >&2
  exit 1
}
# dnf 4 would wait for another's lock for ever; told not to, it ends with 200. dnf 5 waits by itself, for most of them.
manage() {
  for _ in $(seq 60); do
    rc=0
    dnf -q -y --setopt=exit_on_lock=True --setopt=install_weak_deps=False "$@" >"$log" 2>&1 || rc=$?
    [ $rc = 0 ] && return
    [ $rc = 200 ] || grep -q 'Failed to obtain .*lock' "$log" || return $rc
    sleep 5
  done
  return 1
}
locked() { # which of $hold are; each generation has its own words
  manage versionlock list || return 0
  for name in $hold; do grep -qE "^$name-[0-9]|: $name\$" "$log" && printf '%s ' "$name"; done
  return 0
}
exact=$(echo "$packages" | sed 's/=/-/g')
headers=$(echo "$exact" | tr ' ' '\n' | grep '^kernel-devel-') || true
command -v curl >/dev/null || exact="$exact curl" # not where curl-minimal is: they exclude each other
[ -z "$first" ] || manage module enable $first || fail "cannot enable $first; reset the module if another stream of it is"
# What is locked cannot be brought to another version, older or newer.
was=$(locked)
[ -z "$was" ] || manage versionlock delete $was || fail "cannot unlock $was"
# Modules are built while their package is installed, from headers that are there by then.
# What dnf knows of repositories may be days old.
if ! { manage makecache --refresh && { [ -z "$headers" ] || manage install $headers; } && manage install $exact; }; then
  why=$(tail -n 15 "$log")
  [ -z "$was" ] || manage versionlock add $was || true
  fail "cannot install $packages; check their versions and the mirrors"
fi
if [ -n "$hold" ]; then
  manage versionlock list || manage install 'dnf-command(versionlock)' || fail "cannot hold $hold"
  manage versionlock add $hold || fail "cannot hold $hold"
  # dnf 4 is content with having found none.
  [ "$(locked)" = "$(printf '%s ' $hold)" ] || fail "cannot hold $hold"
fi
