# Let the hosts that need shared ports reach them, and nobody else, now and from every boot on.
umask 022
mkdir -p /etc/gpufleet
if [ -z "$rules" ]; then
  systemctl -q disable --now "gpufleet-ports@$stack" || true
  rm -f "/etc/gpufleet/$stack.nft"
  nft delete table inet "$table" 2>/dev/null || true
  exit 0
fi
printf '%s' "$rules" >"/etc/gpufleet/$stack.nft.new"
nft -c -f "/etc/gpufleet/$stack.nft.new"
mv "/etc/gpufleet/$stack.nft.new" "/etc/gpufleet/$stack.nft"
printf '%s' "$unit" >/etc/systemd/system/gpufleet-ports@.service
systemctl daemon-reload
systemctl -q enable "gpufleet-ports@$stack"
systemctl restart "gpufleet-ports@$stack"
