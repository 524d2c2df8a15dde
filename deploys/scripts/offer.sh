# Offer the files of the store to the other hosts of this run; of a host that has fetched long ago, by the program of then.
docker rm -f gpufleet-offer >/dev/null 2>&1 || true
docker image inspect "$image" >/dev/null 2>&1 || image=$(docker images -q gpufleet.local/fetcher | head -n 1)
set -- -d --rm --name gpufleet-offer --network host --cap-drop ALL --cap-add DAC_OVERRIDE --security-opt no-new-privileges
set -- "$@" --security-opt label=disable -e WORD -v "$root/models:/models:ro" --entrypoint python3 "$image"
WORD=$word docker run "$@" /app/offer.py "$address" "$port" /models >/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
  docker logs gpufleet-offer 2>/dev/null | grep -q ready && exit 0
  sleep 0.5
done
exit 1 # the port is taken
