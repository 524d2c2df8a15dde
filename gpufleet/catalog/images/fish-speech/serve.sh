# Fetch the model $FISH_MODEL (repository, and a commit after a colon) unless it is whole, then serve it.
set -eu
repository=${FISH_MODEL%%:*}
revision=main
[ "$repository" = "$FISH_MODEL" ] || revision=${FISH_MODEL#*:}
at=/models/$(echo "$repository" | tr / -)-$revision
PATH=/app/.venv/bin:$PATH
if [ ! -e "$at/.whole" ]; then
  hf download "$repository" --revision "$revision" --local-dir "$at"
  touch "$at/.whole"
fi
exec python tools/run_webui.py --device cpu --llama-checkpoint-path "$at" --decoder-checkpoint-path "$at/codec.pth"
