# Put releases/.kept/new in the place of $path, which $service reads. What was there is kept until the gates have opened, and
# what is there now, to tell whether anybody has written it since.
kept="releases/.kept/$service$path"
mkdir -p "${kept%/*}"
if ! cmp -s "$kept.after" "$path"; then # or a run before did not come to its end
  rm -f "$kept.before"
  [ ! -e "$path" ] || cp -p "$path" "$kept.before"
fi
mv releases/.kept/new "$kept.after"
place "$kept.after" "$path"
