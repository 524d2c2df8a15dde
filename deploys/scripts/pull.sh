# Pull the images of release $id that are not there, before anything that runs is touched.
cd "$root/releases/$id"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
docker compose --env-file "$root/.env" pull --quiet --policy missing >"$log" 2>&1 || {
  what=$(grep -v '^ *$' "$log" | tail -n 1)
  echo "images: cannot pull: $what; check the image's name, the network or \`docker login\`, then run again" >&2
  exit 1
}
