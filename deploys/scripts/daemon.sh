# Put $path.new in place of $path, if dockerd takes it, and have dockerd load it. If it does not start: the earlier file.
rm -f "$path.bak"
if [ -e "$path.new" ]; then
  # Docker before 23 cannot check a file.
  if dockerd --help | grep -q -- --validate && ! said=$(dockerd --validate --config-file "$path.new" 2>&1); then
    rm -f "$path.new"
    echo "$path: dockerd refuses what gpufleet would write: $said; it is left as it is" >&2
    exit 1
  fi
  [ ! -e "$path" ] || cp -p "$path" "$path.bak"
  chmod 644 "$path.new" && mv "$path.new" "$path"
fi
systemctl restart docker 2>/dev/null && exit 0
# The last that it said.
why=$(journalctl -u docker -n 50 --no-pager -o cat | awk '/: Main process exited/ { why = said } { said = $0 } END { print why }')
[ ! -e "$path.bak" ] || mv "$path.bak" "$path"
systemctl reset-failed docker.service docker.socket
systemctl restart docker 2>/dev/null && back='the earlier file is back' || back='and not with the earlier file either'
echo "$path: docker does not start with it: $why; $back" >&2
exit 1
