# Put $path.new in place of $path, if dockerd takes it, and have dockerd load it ($how: restart, or reload). If it does not start: the earlier file.
file=$(readlink -f "$path")
old="$file.before-gpufleet"
rm -f "$old"
if [ -e "$path.new" ]; then
  # Docker before 23 cannot check a file.
  if dockerd --help | grep -q -- --validate && ! said=$(dockerd --validate --config-file "$path.new" 2>&1); then
    rm -f "$path.new"
    echo "$path: dockerd refuses what gpufleet would write: $said; it is left as it is" >&2
    exit 1
  fi
  chmod 644 "$path.new"
  [ ! -e "$file" ] || { cp -p "$file" "$old" && chown --reference="$file" "$path.new" && chmod --reference="$file" "$path.new"; }
  mv "$path.new" "$file"
fi
systemctl "$how" docker 2>/dev/null && rm -f "$old" && exit 0
# The last that it said.
why=$(journalctl -u docker -n 50 --no-pager -o cat | awk '/: Main process exited/ { why = said } { said = $0 } END { print why }')
[ ! -e "$old" ] || mv "$old" "$file"
systemctl reset-failed docker.service docker.socket
systemctl restart docker 2>/dev/null && back='the earlier file is back' || back='and not with the earlier file either'
echo "$path: docker does not start with it: $why; $back" >&2
exit 1
