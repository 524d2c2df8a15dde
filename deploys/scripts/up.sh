# Switch to release $id and bring its containers up. Compose re-creates exactly those whose configuration differs.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
switch "$id" current
up >"$log" 2>&1 && exit 0
{
  format='{{.Service}} {{.State}} {{.Health}}'
  bad=$(compose ps -a --format "$format" | awk '!($2 == "running" && ($3 == "healthy" || $3 == "")) { print $1 }')
  echo "services: not healthy within $deadline s: ${bad:-(none started)}: $(grep -v '^ *$' "$log" | tail -n 1 | tr -s ' ')"
  for service in $bad; do
    echo "services/$service: its last lines follow"
    compose logs --no-log-prefix --tail 15 "$service" 2>&1
  done
  put_back
} | blot >&2
exit 1
