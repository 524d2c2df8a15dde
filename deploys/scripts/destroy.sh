# End $stack: its containers and networks, what starts it at boot, its rules for ports, and $paths.
docker compose -p "$stack" down --remove-orphans >/dev/null 2>&1 || {
  echo "stack: $stack does not end; look at \`docker compose -p $stack ps -a\`" >&2
  exit 1
}
for unit in gpufleet gpufleet-ports; do
  systemctl -q disable --now "$unit@$stack" 2>/dev/null || true
  # The last one takes the unit along.
  ls /etc/systemd/system/*.wants/"$unit@"*.service >/dev/null 2>&1 || rm -f "/etc/systemd/system/$unit@.service"
done
systemctl daemon-reload
rm -f "/etc/gpufleet/$stack.nft"
nft delete table inet "$table" 2>/dev/null || true
[ ! -d /etc/gpufleet ] || rmdir --ignore-fail-on-non-empty /etc/gpufleet
for path in $paths; do rm -rf --one-file-system "$path"; done
rm -f "$root/.lock"
