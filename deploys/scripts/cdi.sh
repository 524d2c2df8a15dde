# Have the specification of NVIDIA's CDI devices made, and see that it has $missing.
systemctl restart nvidia-cdi-refresh.service 2>/dev/null || {
  mkdir -p /var/run/cdi
  nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml >/dev/null
}
names=$(cat /etc/cdi/* /var/run/cdi/* 2>/dev/null | grep -oE '"?name"?: *"?[^", ]+' | tr -d '" ')
for device in $missing; do
  case $names in *"name:${device#*=}"*) continue ;; esac
  echo "engine: $device is in no CDI specification; look at \`journalctl -u nvidia-cdi-refresh\`" >&2
  exit 1
done
