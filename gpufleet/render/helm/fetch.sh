# Fetch $url to $path: $bytes long, with $digest; with $HF_TOKEN, if there is one, where $hub says that the URL is the
# Hub's. The final name appears only after the checksum: who sees the file sees all of it. A partial file is resumed; a
# download slower than 1 KiB/s for a minute is tried again.
umask 022
name="models/${path##*/}"
part="$path.partial"
mkdir -p "${path%/*}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Curl reads it here, so that no list of processes shows it, and gives it to no other host that the Hub leads to.
token() {
  [ -z "$hub" ] || [ -z "${HF_TOKEN-}" ] ||
    printf 'header = "Authorization: Bearer %s"\n' "$(printf %s "$HF_TOKEN" | sed 's/[\\"]/\\&/g')"
}
have() { stat -c %s "$part" 2>/dev/null || echo 0; }
# A file of another size under this name is not ours to delete.
[ ! -e "$path" ] || mv "$path" "$path.set-aside"
[ "$(have)" -le "$bytes" ] || rm -f "$part"
try=0
while [ "$(have)" -lt "$bytes" ]; do
  try=$((try + 1))
  rc=0
  token | curl -K - -fsSL --connect-timeout 20 --speed-limit 1024 --speed-time 60 -C - -o "$part" "$url" 2>"$log" || rc=$?
  if [ $rc = 23 ]; then  # curl's word for a write that failed
    echo "$name: cannot be written: $(df -Ph "${path%/*}" | awk 'NR == 2 { print $4 " free on " $6 }'); free some, then run again" >&2
    exit 1
  fi
  [ "$(have)" -lt "$bytes" ] || break
  if grep -q 'error: 40[13]' "$log"; then
    page=${url%%/resolve/*}
    echo "$name: $url is given to nobody without a token of an account that has accepted the terms at $page; set given.HF_TOKEN" >&2
    exit 1
  fi
  if [ $try -ge 5 ]; then
    echo "$name: cannot fetch $url: $(tail -n 1 "$log"); check the address and the network, then run again" >&2
    exit 1
  fi
  sleep $((try * 2))
done
case $digest in
sha256:*) got=sha256:$(sha256sum <"$part" | cut -c1-64) ;;
git:*) got=git:$({ printf 'blob %s\0' "$bytes"; cat "$part"; } | sha1sum | cut -c1-40) ;;
esac
if [ "$got" != "$digest" ]; then
  rm -f "$part"
  echo "$name: has $got, not $digest; the source has other bytes: check the model's entry, then run again" >&2
  exit 1
fi
sync "$part"
mv "$part" "$path"
