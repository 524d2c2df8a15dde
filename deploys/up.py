"""Bring the containers to the release: pull, switch, up, gates, and back again when a gate fails."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation

from ..plan.drift import drift
from .gate import failures
from .observe import Target, forget, observe

# What must be pulled is pulled before anything that runs is touched.
PULL = """
cd {root}/releases/{id} && docker compose --env-file {root}/.env pull --quiet --policy missing >.pull.log 2>&1 || {{
  echo "images: $(grep -v '^ *$' .pull.log | tail -n 1); check the image's name, the network or \\`docker login\\`, then run again" >&2
  rm -f .pull.log; exit 1
}}
rm -f .pull.log
"""

# Compose re-creates exactly the containers whose configuration differs. On failure the last lines of what is not healthy
# are shown, with every value of .env blotted out, and the release that last passed its gates comes back.
FUNCTIONS = """
cd {root}
compose() {{ docker compose --env-file {root}/.env -f {root}/current/compose.yaml "$@"; }}
switch() {{ ln -sfn "releases/$1" ".$2-new" && mv -T ".$2-new" "$2"; }}
blot() {{ awk 'BEGIN {{ while ((getline line <"{root}/.env") > 0) {{ v = substr(line, index(line, "=") + 1); if (length(v) > 5) s[v] = 1 }} }}
  {{ for (v in s) while (i = index($0, v)) $0 = substr($0, 1, i - 1) "***" substr($0, i + length(v)); print }}'; }}
put_back() {{
  good=$(readlink verified) && good=${{good##*/}}
  if [ -n "$good" ] && [ "$good" != {id} ]; then
    switch "$good" current
    compose up -d --wait --wait-timeout {deadline} --remove-orphans >/dev/null 2>&1 && echo "release $good is back" || echo "release $good did not come back healthy"
  else
    echo "no earlier release to put back"
  fi
}}
"""
UP = """{functions}
switch {id} current
compose up -d --wait --wait-timeout {deadline} --remove-orphans >.up.log 2>&1 && {{ rm -f .up.log; exit 0; }}
{{
  bad=$(compose ps -a --format '{{{{.Service}}}} {{{{.State}}}} {{{{.Health}}}}' | awk '!($2 == "running" && ($3 == "healthy" || $3 == "")) {{ print $1 }}')
  for service in ${{bad:-{stack}}}; do
    echo "services/$service: is not healthy within {deadline} s: $(tail -n 1 .up.log | tr -s ' '); its last lines follow"
    compose logs --no-log-prefix --tail 15 "$service" 2>&1
  done
  put_back
}} | blot >&2
rm -f .up.log
exit 1
"""
BACK = """{functions}
{{ {complaints}; put_back; }} | blot >&2
exit 1
"""
# Releases that neither run nor ran well last are dropped beyond the newest few.
DONE = """{functions}
switch {id} verified
cd releases && ls -1t | grep -vxF {id} | tail -n +{keep} | xargs -r rm -rf
"""


@operation()
def running(target: Target) -> Iterator[str | FunctionCommand]:
    """Bring the containers to the release, if anything differs, and prove that they answer."""
    reasons = drift(target.plan, target.release, observe(host, target))
    if not reasons:
        host.noop(f"{len(target.plan.services)} services run as release {target.release.id}")
        return
    plan, complaints = target.plan, list[str]()
    names = {"root": plan.root, "id": target.release.id, "stack": plan.stack, "deadline": plan.health_deadline}
    functions = FUNCTIONS.format(**names)
    yield PULL.format(**names)
    yield UP.format(functions=functions, **names)
    yield FunctionCommand(lambda state, host: complaints.extend(failures(host, plan)), (), {})
    if complaints:
        shown = "; ".join(f"echo '{c}'" for c in complaints)
        yield BACK.format(functions=functions, complaints=shown)
    yield DONE.format(functions=functions, keep=plan.keep_releases, **names)
    forget(host)
