# Do $run in the container of $service, unless $check says that it is done; then ask $check whether it is.
inside() { limit="timeout $1" && compose exec -T "$service" sh -c "$2"; }
complete() { inside 60 "$check" </dev/null >/dev/null 2>&1; }
complete && exit 0
# Every 10 s how far it is: how many KiB more $measure prints than before, of $bytes.
tell() {
  first=$(inside 20 "$measure") && begun=$(date +%s) || return 0
  while sleep 10; do
    have=$(inside 20 "$measure") || continue
    awk -v kib=$((have - first)) -v all="$bytes" -v s=$(($(date +%s) - begun)) -v who="services/$service: step $step" '
      function size(n, i) { for (i = 1; n >= 1000 && i < 5; i++) n /= 1000; return sprintf(i > 2 ? "%.1f %s" : "%.0f %s", n, u[i]) }
      BEGIN {
        split("B kB MB GB TB", u, " "); n = kib * 1024; rate = n / s
        line = who ": " size(n) (all > 0 ? " of " size(all) : "") ", " size(rate) "/s"
        left = rate > 0 && all > n ? (all - n) / rate : 0
        print line (left ? sprintf(left < 90 ? ", %.0f s left" : ", %.0f min left", left < 90 ? left : left / 60) : "")
      }'
  done </dev/null 2>/dev/null
}
log=$(mktemp)
teller=
trap 'rm -f "$log"; [ -z "$teller" ] || kill $teller' EXIT
[ -z "$measure" ] || { tell 9>&- & teller=$!; }  # one that is left over holds no lock
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
