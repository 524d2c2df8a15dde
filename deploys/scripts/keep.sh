# Do $then, and have $paths as they were before: AMD's package removes them when it is upgraded, whosever they are.
kept=$(mktemp -d)
for path in $paths; do
  [ ! -e "$path" ] || { mkdir -p "$kept${path%/*}" && cp -aH "$path" "$kept$path"; }
done
rc=0
sh -c "$then" || rc=$?
for path in $paths; do
  [ ! -e "$kept$path" ] || diff -rq "$kept$path" "$path" >/dev/null 2>&1 || cp -aT "$kept$path" "$path"
done
rm -rf "$kept"
exit $rc
