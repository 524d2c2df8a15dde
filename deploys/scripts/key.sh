# Fetch the key of the repository $repository from $url and put it at $key, if it is the one with $fingerprint and no other.
export DEBIAN_FRONTEND=noninteractive
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
export GNUPGHOME="$new"
fail() { echo "repositories/$repository: $1" >&2; exit 1; }
command -v gpg >/dev/null || case $manager in
  apt) apt-get -q update && apt-get -q -y install --no-install-recommends gpg ;;
  dnf) dnf -q -y install gnupg2 ;;
  zypper) ZYPP_LOCK_TIMEOUT=300 zypper -q -n install gpg2 ;;
esac >"$new/log" 2>&1 || true
command -v gpg >/dev/null || {
  echo "packages: cannot install gpg, which checks keys; mend the host's own package sources, their last lines follow" >&2
  tail -n 5 "$new/log" >&2
  exit 1
}
[ "$manager" = apt ] || command -v curl >/dev/null || case $manager in
  dnf) dnf -q -y install curl >/dev/null ;;
  zypper) ZYPP_LOCK_TIMEOUT=300 zypper -q -n install curl >/dev/null ;;
esac
fetch() {
  if command -v curl >/dev/null; then curl -fsSL --max-time 60 -o "$new/key" "$url"
  else /usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file "$url" "$new/key"; fi
}
fetch >/dev/null 2>&1 || fail "cannot fetch its key from $url; check the network, or set mirrors/packages"
gpg --batch --quiet --with-colons --show-keys "$new/key" >"$new/told" 2>/dev/null || fail "$url is no key; check the mirror"
have=$(awk -F: '$1 == "pub" { p = 1 } $1 == "fpr" && p { print $10; p = 0 }' "$new/told" | tr '\n' ' ')
[ "$have" = "$fingerprint " ] ||
  fail "the key at $url is ${have}instead of $fingerprint; do not trust it; if your mirror signs with a key of its own, set mirrors/keys/$repository"
install -d -m 755 "${key%/*}"
case $key in
  *.gpg) gpg --batch --yes --quiet --dearmor -o "$new/out" <"$new/key" ;;
  *) cp "$new/key" "$new/out" ;;
esac
install -m 644 "$new/out" "$key.new" && mv "$key.new" "$key"
# dnf takes it from the repository's file when asked to answer yes; zypper would refuse what rpm does not know.
[ "$manager" != zypper ] || rpm --import "$key"
