# Delete $names (a line each) below $root; of a link, the link. Nothing of it goes while any container mounts a part.
mounts=$(docker ps -aq | xargs -r docker inspect -f '{{range .Mounts}}{{println .Source}}{{end}}')
echo "$names" | while IFS= read -r name; do
  held=$(echo "$mounts" | grep -E "^$(printf %s "$root/$name" | sed 's/[].[^$*+?(){}|\\]/\\&/g')(/|\$)" | head -n 1)
  [ -z "$held" ] || { echo "$name: a container mounts $held; end it first" >&2; exit 1; }
done
echo "$names" | while IFS= read -r name; do rm -rf --one-file-system "${root:?}/$name"; done
