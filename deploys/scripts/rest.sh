# End $services, so that nobody writes their files; `up` makes them anew.
install -d -m 700 releases/.kept
for service in $services; do
  label=com.docker.compose
  docker ps -aq --filter "label=$label.project=$stack" --filter "label=$label.service=$service" |
    xargs -r sh -c 'docker stop "$@" && docker rm -f "$@"' - >/dev/null
done
