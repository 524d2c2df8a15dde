# Do $run in the container of $service, unless $check says that it is done; then ask $check whether it is.
inside() { limit="timeout $1" && compose exec -T "$service" sh -c "$2"; }
complete() { inside 60 "$check" </dev/null >/dev/null 2>&1; }
complete && exit 0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if inside "$deadline" "$run" </dev/null >"$log" 2>&1; then
  complete && exit 0
  why="has run, but is not complete"
else
  code=$?
  why="ended with $code"
  [ "$code" != 124 ] || why="was not done in $deadline s"
fi
{
  echo "services/$service: step $step: $why; its last lines follow"
  tail -n 15 "$log"
} | blot >&2
exit 1
