# Unpack the uploaded release as $root/releases/$id: the directory appears whole or not at all. Where files of a release in
# use were altered, the containers of $altered have loaded the altered ones: they are removed, so that `up` makes them anew.
umask 022
cd "$root/releases"
rm -rf .new .old
mkdir .new
tar -xf .upload.tar -C .new --no-same-owner
if [ -e "$id" ]; then
  mv "$id" .old
  for service in $altered; do
    label=com.docker.compose
    docker ps -aq --filter "label=$label.project=$stack" --filter "label=$label.service=$service" | xargs -r docker rm -f >/dev/null
  done
fi
mv .new "$id"
sync .
rm -rf .old .upload.tar
