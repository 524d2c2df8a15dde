#!/bin/sh
# Written by gpufleet: AMD's CDI devices by their cards' own names. amd-ctk knows them by an index, which may be another
# card's after the next boot. A name is the card's UUID, or its PCI address where it has none.
set -eu
dir=/var/run/cdi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
amd-ctk cdi generate --output="$work/all.json" >/dev/null

name() { # CARD'S DIRECTORY, NUMBER OF ITS NODE
  file=$(grep -lsx "drm_render_minor $2" /sys/class/kfd/kfd/topology/nodes/*/properties | head -n 1)
  number=$(sed -n 's/^unique_id //p' "${file:-/dev/null}")
  for id in "$(cat "$1/unique_id" 2>/dev/null)" "$(printf %016x "${number:-0}")"; do
    case $id in 0000000000000000 | ffffffffffffffff) ;; ????????????????) echo "GPU-$id" && return ;; esac
  done
  echo "${1##*/}"
}

for node in /sys/bus/pci/devices/*/drm/renderD*; do
  card=${node%/drm/*}
  read -r vendor <"$card/vendor" && [ "$vendor" = 0x1002 ] || continue
  printf '{"name": "%s", "path": "/dev/dri/%s"}\n' "$(name "$card" "${node##*renderD}")" "${node##*/}"
done | jq -s --slurpfile all "$work/all.json" '
  . as $cards | $all[0] | .devices = [
    $cards[] as $card | .devices[] | select(.name != "all" and any(.containerEdits.deviceNodes[]; .path == $card.path))
    | .name = $card.name]' >"$work/new.json"
install -D -m 644 "$work/new.json" "$dir/.gpufleet-amd"
mv "$dir/.gpufleet-amd" "$dir/gpufleet-amd.json"
# A card that the driver has just begun with: the unit tries again.
for card in /sys/bus/pci/devices/*; do
  case $(readlink "$card/driver") in */amdgpu) set -- "$card"/drm/renderD*; [ -e "$1" ] && continue ;; *) continue ;; esac
  echo "gpufleet: ${card##*/} has no node yet" >&2
  exit 1
done
