# Build $image, which no registry has, unless it is there: of the archive at $url, or of $folder in release $id; of both
# the Dockerfile is the folder's. It is done before anything that runs is touched.
! docker image inspect "$image" >/dev/null 2>&1 || exit 0
cd "$root/releases"
rm -rf .build
mkdir -m 700 .build
trap 'rm -rf .build' EXIT
log=.build/log
complain() {
  echo "images: cannot build $image of $source: $1" >&2
  exit 1
}
from=$id/$folder
recipe=$from
if [ -n "$url" ]; then
  from=.build/from
  mkdir "$from"
  curl -fsSL --retry 3 --connect-timeout 20 --speed-limit 1024 --speed-time 60 -o .build/archive "$url" 2>"$log" ||
    complain "$(tail -n 1 "$log") ($url); check the address and the network, then run again"
  tar -xzf .build/archive -C "$from" --strip-components=1 --no-same-owner 2>"$log" ||
    complain "$url: $(tail -n 1 "$log"); what answers there? Then run again"
  [ -n "$folder" ] || recipe=$from
fi
set -- --force-rm -t "$image" -f "$recipe/$dockerfile"
[ -z "$target" ] || set -- "$@" --target "$target"
while IFS= read -r arg; do
  [ -z "$arg" ] || set -- "$@" --build-arg "$arg"
done <<END
$args
END
code=0
# One builder or the other, whichever is there: both know these words.
timeout "$deadline" docker build "$@" "$from" </dev/null >"$log" 2>&1 || code=$?
[ $code != 124 ] || echo "not done in $deadline s" >>"$log"
if [ $code != 0 ]; then
  what=$(grep -v '^ *$' "$log" | tail -n 1)
  complain "$what; mend it, or the network, then run again. Its last lines:
$(tail -n 15 "$log")"
fi
