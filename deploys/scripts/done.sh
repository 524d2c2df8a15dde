# Every gate opened: release $id is the one to come back to. Drop live files that no service reads any more, and the oldest
# releases beyond $keep.
switch "$id" verified
find releases/.live -type f -printf '%P\n' 2>/dev/null | while read -r path; do
  printf '%s\n' "$live" | grep -qxF -e "$path" || rm "releases/.live/$path"
done
[ ! -d releases/.live ] || find releases/.live -type d -empty -delete
cd releases
rm -rf .kept
ls -1t | grep -vxF "$id" | tail -n "+$keep" | xargs -r rm -rf
