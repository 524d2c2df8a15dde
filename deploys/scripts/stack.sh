# Functions shared by the scripts that change what runs.
cd "$root"
compose() { ${limit-} docker compose --env-file "$root/.env" -f "$root/current/compose.yaml" "$@"; }
# Compose gives up at the first `unhealthy`, which on a slow machine may only be slow: the deadline decides.
up() {
  end=$(($(date +%s) + deadline))
  until compose up -d --wait --wait-timeout $((end - $(date +%s))) "$@"; do
    compose ps -a --format '{{.State}} {{.Health}}' | grep -qx 'running unhealthy' || return 1
    [ $((end - $(date +%s))) -gt 5 ] || return 1
    sleep 5
  done
}
# Those of $outdated go first, each only with what it depends on: Compose re-creates also what depends on them.
bring_up() {
  for service in $outdated; do up "$service" || return 1; done
  up --remove-orphans
}

# Point the link $2 at release $1; a reader sees the old one or the new one, never none.
switch() { ln -sfn "releases/$1" ".$2-new" && mv -T ".$2-new" "$2"; }

# Have live files as release $1 has them, each of them whole: of services that read them anew, and are not touched.
enliven() {
  { printf '%s\n' "$live"; find releases/.live -type f -printf '%P\n' 2>/dev/null; } | sort -u | while read -r path; do
    [ -f "releases/$1/$path" ] || continue
    install -m 644 "releases/$1/$path" releases/.live/.new && sync releases/.live/.new &&
      mv -T releases/.live/.new "releases/.live/$path" || exit 1
  done
}

# Write $1 to $2, whose owner and mode stay: all of it or nothing. A new file is its folder's owner's.
place() {
  rm -f "${2%/*}"/.gpufleet-??????
  new=$(mktemp "${2%/*}/.gpufleet-XXXXXX")
  if [ -e "$2" ]; then cp -p --attributes-only "$2" "$new"; else chown --reference="${2%/*}" "$new" && chmod 644 "$new"; fi
  cat "$1" >"$new" && sync "$new" && mv -T "$new" "$2"
}

# Files that were written for this release, as they were before.
restore() {
  [ -d releases/.kept ] || return 0
  find releases/.kept -name '*.after' | while read -r after; do
    path=${after#releases/.kept/}
    compose stop "${path%%/*}" </dev/null >/dev/null 2>&1
    path=/${path#*/}
    path=${path%.after}
    if ! cmp -s "$after" "$path"; then
      echo "$path: was written since, so it stays as it is; look whether $good can read it"
    elif [ -e "${after%.after}.before" ]; then
      place "${after%.after}.before" "$path"
    else
      rm -f "$path"
    fi
  done
  rm -rf releases/.kept
}

# Blot out every value of .env in what is shown.
blot() {
  awk -v env="$root/.env" '
    BEGIN { while ((getline line <env) > 0) { v = substr(line, index(line, "=") + 1); if (length(v) > 5) secret[v] = 1 } }
    { for (v in secret) while (i = index($0, v)) $0 = substr($0, 1, i - 1) "***" substr($0, i + length(v)); print }'
}

# The release that last passed its gates comes back. It has proved that it can: it gets the time that a busy host takes.
put_back() {
  [ "$deadline" -ge 300 ] || deadline=300
  good=$(readlink verified || true)
  good=${good##*/}
  if [ -z "$good" ] || [ "$good" = "$id" ] || [ ! -d "releases/$good" ]; then
    echo "release: no earlier one to put back; mend the cause, then run again"
  elif restore && switch "$good" current && enliven "$good" && bring_up >/dev/null 2>&1; then
    echo "release: $good is back and healthy; mend the cause, then run again"
  else
    echo "release: $good is back, but not healthy; mend the cause, then run again"
  fi
}
