# Have the specifications of CDI devices made, and see that they have $missing.
nvidia() {
  systemctl restart nvidia-cdi-refresh.service 2>/dev/null && return
  mkdir -p /var/run/cdi
  nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml >/dev/null
}
case $missing in *nvidia.com/*) nvidia ;; esac
case $missing in *amd.com/*) systemctl restart gpufleet-amd-cdi.service || true ;; esac
names=$(cat /etc/cdi/* /var/run/cdi/* 2>/dev/null | grep -oE '"?name"?: *"?[^", ]+' | tr -d '" ')
for device in $missing; do
  case $names in *"name:${device#*=}"*) continue ;; esac
  case $device in amd.com/*) unit=gpufleet-amd-cdi ;; *) unit=nvidia-cdi-refresh ;; esac
  echo "engine: $device is in no CDI specification; look at \`journalctl -u $unit\`" >&2
  exit 1
done
