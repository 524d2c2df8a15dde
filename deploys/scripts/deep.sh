# Read files of the store again: $files has a line for each, KIND HEX PATH. Says what each is now; one that is not right
# gets another time, so that no note says any more that it is.
cd "$root/models" || exit 0
tmp=$(mktemp -d)
export tmp
# Past the cache where that can be: what is on the disk is asked for, and what engines have in the cache stays.
one='
  kind=${1%% *} rest=${1#* }
  path=${rest#* }
  [ -e "$path" ] || exit 0
  (: <"$path") 2>/dev/null || { echo "digest - $path"; exit 0; }
  exec <"$path"
  size=$(stat -L -c %s "$path")
  : >"$tmp/$$"
  by=cat
  dd if="$path" of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null && by="dd bs=8M iflag=direct"
  told=$({ [ "$kind" = sha256 ] || printf "blob %s\0" "$size"; $by 2>/dev/null; } | "$kind"sum)
  told=${told%% *}
  [ "$told" = "${rest%% *}" ] || touch -c "$path"
  rm "$tmp/$$"
  echo "$size" >>"$tmp/done"
  echo "digest $told $path"
'
sum() {
  all=0
  for number; do all=$((all + number)); done
  echo "$all"
}
# How far it is: the files that are done, and where the others are read.
said() {
  done=$(cat "$tmp/done" 2>/dev/null) || true
  now=$(for at in "$tmp"/[0-9]*; do sed -n 's/^pos:[[:space:]]*//p' "/proc/${at##*/}/fdinfo/0" 2>/dev/null; done) || true
  echo "models: $(($(sum $done $now) / 1000000)) of $((total / 1000000)) MB read"
}
total=$(sum $(echo "$files" | cut -d ' ' -f 3- | tr '\n' '\0' | xargs -0 stat -L -c %s 2>/dev/null))
(while sleep "$every" >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do said; done) &
saying=$!
echo "$files" | tr '\n' '\0' | xargs -0 -n 1 -P "$at_once" nice sh -c "$one" sh || true
kill "$saying"
said
rm -r "$tmp"
