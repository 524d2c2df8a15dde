# What device nodes of cards each of $services sees, a line each. Looked up from outside: an image may have no shell.
for service in $services; do
  label=com.docker.compose
  container=$(docker ps -q --filter "label=$label.project=$stack" --filter "label=$label.service=$service" | head -n 1)
  pid=$(docker inspect -f '{{.State.Pid}}' "$container") && cd "/proc/$pid/root/dev" || continue
  echo "$service $(ls -d nvidia[0-9]* dri/renderD* 2>/dev/null | sed 's|^|/dev/|' | tr '\n' ' ')"
done
