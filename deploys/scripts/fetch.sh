# Run the program that fetches models. Its token goes by standard input: a container's environment is for all to see.
rm -rf "$root/releases/.fetcher"
token=$(sed -n "s/^HF_TOKEN=//p" "$root/.env" | tail -n 1 | sed "s/^'\(.*\)'\$/\1/")
set -- --rm -i --network host --cap-drop ALL --cap-add DAC_OVERRIDE --cap-add FOWNER --security-opt no-new-privileges
set -- "$@" --security-opt label=disable --label gpufleet.fetcher="$root" -v "$root/models:/models"
for name in $folders; do
  [ ! -L "$root/models/$name" ] || set -- "$@" -v "$root/models/$name:/models/$name"
done
printf '%s\n%s\n' "$token" "$job" | docker run "$@" "$image"
