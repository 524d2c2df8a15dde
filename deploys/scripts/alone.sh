# Wait until no other run is at work here: one that was killed, or lost its connection, leaves its last command running.
if [ -d "$root" ]; then
  exec 9<>"$root/.lock"
  flock -w "$patience" 9 || {
    echo "host: another run has been at work in $root for $patience s; wait until it ends, or look at \`fuser $root/.lock\`" >&2
    exit 1
  }
fi
