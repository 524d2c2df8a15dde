# Let the pool send no new requests to worker $worker, and wait until those that it has begun are answered. Were this run
# to end here, the worker gets requests again by itself.
: >"$root/data/pool/$worker"
systemd-run -q --collect --on-active=15min rm -f "$root/data/pool/$worker" || true
label=com.docker.compose
pool=$(docker ps -q --filter "label=$label.project=$stack" --filter "label=$label.service=$service" | head -n 1)
[ -n "$pool" ] || exit 0
left=$deadline
while [ "$left" -gt 0 ] && docker exec "$pool" cat /proc/net/tcp | awk -v at=" $at " '
    $4 == "01" && index(at, " " $3 " ") {busy = 1} END {exit !busy}'; do
  sleep 1
  left=$((left - 1))
done
