# End $stack: its containers and networks, what starts it at boot, its rules for ports, and its releases. Those of another
# stack that runs from $root by now stay.
cd /
mine=no
if grep -qsx "name: $stack" "$root/current/compose.yaml"; then mine=yes; fi
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
nft delete table inet "$table" 2>/dev/null || true
rm -f "/etc/gpufleet/$stack.nft"
[ ! -d /etc/gpufleet ] || rmdir --ignore-fail-on-non-empty /etc/gpufleet
# Whole or not at all: a run that is cut off here is gone on with.
cd "$root" 2>/dev/null || exit 0
if [ $mine = yes ]; then rm -rf .gone && mv -T releases .gone; fi
[ -e .gone ] || exit 0
for link in current verified; do [ -e "$link" ] || rm -f "$link"; done
rm -rf .gone
