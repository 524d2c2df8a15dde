# Have the engine's $unit start now and at every boot; where only a driver was installed there is none yet.
systemctl cat "$unit" >/dev/null 2>&1 || exit 0
systemctl enable --now "$unit" >/dev/null 2>&1 || {
  echo "engine: $unit does not start; look at \`journalctl -u $unit\`" >&2
  exit 1
}
