# Put $path.new in place of $path, if dockerd takes it, and have dockerd load it.
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
systemctl restart docker || { echo "engine: docker does not start; look at \`journalctl -u docker\`" >&2; exit 1; }
