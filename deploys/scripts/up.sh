# Switch to release $id and bring its containers up.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
switch "$id" current
enliven "$id"
bring_up >"$log" 2>&1 && exit 0
{
  # Not those that only wait for another one; but one that is started again and again may run at this moment: Compose
  # has said whom it waited for.
  format='{{.Service}} {{.Name}} {{.State}} {{.Health}}'
  bad=$(compose ps -a --format "$format" | awk -v file="$log" '
    BEGIN { while ((getline line <file) > 0) if (line ~ /exited|unhealthy|[Ee]rror/) blamed = blamed " " line " " }
    { fine = $3 == "created" || ($3 == "running" && ($4 == "healthy" || $4 == "")) }
    !fine || index(blamed, " " $2 " ") { printf "%s ", $1 }')
  why=$(grep -v '^ *$' "$log" | tail -n 1 | tr -s ' ')
  if [ -n "$bad" ]; then
    echo "services: ${bad}did not become healthy: $why; their last lines follow"
  else
    echo "services: Compose did not bring them up: $why"
  fi
  for service in $bad; do
    compose logs --no-log-prefix --tail 15 "$service" 2>&1
  done
  put_back
} | blot >&2
exit 1
