# A gate did not open: say $complaints, show the service's last lines, and put the earlier release back.
{
  echo "$complaints"
  for service in $closed; do
    compose logs --no-log-prefix --tail 15 "$service" 2>&1
  done
  put_back
} | blot >&2
exit 1
