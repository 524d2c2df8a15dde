"""AMD: /sys and the kernel's compute topology (KFD) tell all but the name; the tools fill in what a container hides."""

from __future__ import annotations

import re
from dataclasses import replace

from . import amd_kfd, amd_smi, pci, rocm_smi, rocminfo
from .amd_state import STOPPED, Host, card, host_problems, opening, refused, state, unloaded
from .amd_told import Told, gather, mib, name, number, uuid
from .seen import Seen
from .tools import Answer, Lines, answer

# The tools are slow (Python), so they are asked only where /sys and KFD tell of no memory; rocminfo always, as it alone
# says whether the runtime opens the cards.
SCRIPT = (
    r"""
for d in "$R"/sys/bus/pci/devices/* "$R"/sys/class/drm/card*/device; do
  a=${d##*/}
  if [ "$a" = device ]; then
    [ -L "$d" ] && continue
    a=${d%/device}; a=drm:${a##*/}
  else
    read -r v <"$d/vendor" && [ "$v" = 0x1002 ] || continue
  fi
  for k in mem_info_vram_total mem_info_vram_used mem_info_gtt_total mem_info_vram_vendor unique_id product_name; do
    [ -r "$d/$k" ] && read -r v <"$d/$k" && echo "amdsys $a $k $v"
  done
  [ -e "$d/board_info" ] && echo "amdsys $a board_info yes"
done
for d in "$R"/sys/class/drm/card* "$R"/sys/class/drm/renderD*; do
  t=$(readlink "$d/device") && n=${d##*/} && case $n in *-*) ;; *) echo "amddrm $n ${t##*/}" ;; esac
done
"""
    + amd_kfd.SCRIPT
    + r"""
for f in "$R"/opt/rocm*/.info/version; do [ -r "$f" ] && read -r v <"$f" && echo "rocm $v"; done
if [ -e "$R/dev/kfd" ]; then
  if [ -r "$R/dev/kfd" ] && [ -w "$R/dev/kfd" ]; then echo 'devkfd rw'; else echo 'devkfd no'; fi
fi
tell() { said=$(ask "$@"); printf '%s\n' "$said"; }
tell rocminfo rocminfo
any=$(grep -hs 0x1002 "$R"/sys/bus/pci/devices/*/vendor | head -n 1)
for tool in rocm-smi amd-smi rocminfo; do any=$any$(command -v $tool); done
if [ "$any" ] && ! grep -qs . "$R"/sys/bus/pci/devices/*/mem_info_vram_total; then
  tell rocmsmi rocm-smi --showallinfo --json
  case $said in *card[0-9]*) ;; *)
    tell rocmcsv rocm-smi --showproductname --showmeminfo vram --csv
    tell rocmsmit rocm-smi -a ;;
  esac
  tell amdsmi amd-smi static --json
  case $said in *'"gpu"'*) ;; *) tell amdsmit amd-smi static ;; esac
  ask dmesg sh -c '{ dmesg || journalctl -k -n 5000 --no-pager; } 2>/dev/null | grep -E "kfd|amdgpu" | tail -n 50'
fi
"""
)

VENDOR = "1002"
LABELS = ("rocmsmi", "rocmcsv", "rocmsmit", "amdsmi", "amdsmit", "rocminfo")
_SPOKEN = re.compile(
    r"^((?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (?:VGA compatible controller|3D controller|Display controller"
    r"|Processing accelerators): Advanced Micro Devices, Inc\. \[AMD/ATI\] (.+?)(?: \(rev \w+\))?$",
    re.MULTILINE,
)


def parse(lines: list[str]) -> Seen:
    """AMD's cards: those of the bus and of KFD by address, told more by the tools."""
    lines = lines if isinstance(lines, Lines) else Lines(line.rstrip("\r\n") for line in lines)
    answers = {label: _whole(answer(lines, label)) for label in LABELS}
    own = [line for line in lines if line.startswith(("amdsys ", "amddrm ", "kfd", "devkfd ", "rocm "))]
    nodes = amd_kfd.nodes(own)
    bus = _spoken(answer(lines, "lspci").text) | pci.cards(lines, VENDOR)
    kernel = gather(_bus(own, bus, amd_kfd.partitioned(nodes)), nodes)
    told, version = _tools(answers, kernel)
    # The kernel's word names a chip, not a card: it is the one without a node.
    log = answer(lines, "dmesg").text if len(told) == 1 or any(t.node is not None for t in told) else ""
    host = replace(_host(own, answers, kernel, told), driver=version, refused=refused(log))
    judged = [state(t, host) for t in told]
    cards = tuple(card(t, s, host) for t, s in zip(told, judged, strict=True))
    problems = [p for c, s in zip(cards, judged, strict=True) for p in s.problems(c)]
    links = amd_kfd.links(own, nodes)
    return Seen(cards, (*problems, *host_problems(host, len(cards))), host.driver, None, host.rocm, links)


def _whole(said: Answer) -> Answer:
    """Without the last line of a tool that was stopped, or whose end is missing: half a number is another one."""
    return said if said.rc is not None and said.rc not in STOPPED else replace(said, text=said.text.rpartition("\n")[0])


def _bus(own: list[str], known: dict[str, pci.PciCard], shared: set[str]) -> list[Told]:
    """Cards of the bus, and of /sys/class/drm where the bus is hidden.

    Where KFD has several partitions ``shared`` of a card, the card's memory is not that of the first of them.
    """
    said: dict[str, dict[str, str]] = {address: {} for address in known}
    for line in own:
        word, _, rest = line.partition(" ")
        row = rest.split(" ", 2)
        if word == "amdsys" and len(row) == 3 and (row[0] in said or row[0].startswith("drm:card")):
            said.setdefault(row[0], {})[row[1]] = row[2]
        elif word == "amddrm" and len(row) == 2 and row[1] in said:
            said[row[1]]["card" if row[0].startswith("card") else "render"] = row[0]
    told = [_card(key, known.get(key), values) for key, values in said.items()]
    return [replace(t, total=None, free=None) if (t.address or "")[:-1] in shared else t for t in told]


def _card(key: str, bus: pci.PciCard | None, said: dict[str, str]) -> Told:
    """One card of the bus, or of /sys/class/drm alone (``drm:card0``)."""
    total, used = mib(said.get("mem_info_vram_total")), number(said.get("mem_info_vram_used"))
    spare = (number(said.get("mem_info_vram_total")) or 0) - (used or 0)
    id_ = said.get("unique_id", "")
    return Told(
        address=bus.address if bus else None,
        pci_id=(bus.id or None) if bus else None,
        uuid=uuid(id_) if len(id_) == 16 else None,
        name=name(said.get("product_name")) or (bus.name if bus else None),
        total=total,
        free=spare >> 20 if total and used is not None and spare >= 0 else None,
        gtt=mib(said.get("mem_info_gtt_total")),
        own_memory=bool(said.keys() & {"mem_info_vram_vendor", "board_info"}) if said.keys() & _MEMORY else None,
        card_node=said.get("card") or (bus.card_node if bus else key[4:]),
        render_node=said.get("render") or (bus.render_node if bus else None),
        numa=bus.numa_node if bus else None,
        driver=bus.driver if bus else "amdgpu",
        bound=bus.bound if bus else True,
    )


_MEMORY = {"mem_info_vram_total", "mem_info_vram_vendor", "board_info"}


def _spoken(text: str) -> dict[str, pci.PciCard]:
    """The cards in what `lspci` prints without numbers; of a card that it does not know the name is the number."""
    found = {}
    for at, called in _SPOKEN.findall(text):
        id_ = re.fullmatch("Device ([0-9a-f]{4})", called)
        address = pci.normal(at)
        found[address] = pci.PciCard(address, f"{VENDOR}:{id_[1]}" if id_ else "", "0300", name=None if id_ else called)
    return found


def _tools(answers: dict[str, Answer], told: list[Told]) -> tuple[list[Told], str | None]:
    """``told`` with what the tools say, and the driver's version; what says most comes first."""
    smi, version = rocm_smi.from_json(answers["rocmsmi"].text)
    spoken, other = rocm_smi.from_text(answers["rocmsmit"].text)
    told = gather(told, smi or rocm_smi.from_csv(answers["rocmcsv"].text))
    told = gather(told, spoken)
    told = gather(told, amd_smi.from_json(answers["amdsmi"].text))
    told = gather(told, amd_smi.from_text(answers["amdsmit"].text))
    agents = rocminfo.cards(answers["rocminfo"].text)
    if all(t.index is None for t in told):  # else they are counted already
        agents = [replace(agent, index=n) for n, agent in enumerate(agents)]
    told = gather(told, agents)
    return told, version or next((t.version for t in told if t.version), None) or other


def _host(own: list[str], answers: dict[str, Answer], kernel: list[Told], told: list[Told]) -> Host:
    tools = [a for label, a in answers.items() if label != "rocminfo"]
    opened, denied = opening(own, answers["rocminfo"])
    return Host(
        opened=opened,
        denied=denied,
        bound=any(t.driver == "amdgpu" for t in kernel),
        unread=_unread(answers, any(t.answered for t in told)),
        unloaded=unloaded("\n".join(f"{a.text}\n{a.complaint}" for a in tools)),
        rocm=next((line[5:] for line in own if re.fullmatch(r"rocm [0-9][\w.-]*", line)), None),
    )


def _unread(answers: dict[str, Answer], answered: bool) -> str | None:
    """Why what a tool printed is of no use."""
    if any(
        "{" in answers[x].text and rocm_smi.json_after_noise(answers[x].text) is None for x in ("rocmsmi", "amdsmi")
    ):
        return "the tool's JSON is cut or malformed"
    hung = [label for label, a in answers.items() if a.rc in STOPPED]
    return "AMD's tools did not answer in time" if hung and not answered else None
