"""NVIDIA: the bus says which cards there are, the driver what they are called, `nvidia-smi` what they hold."""

from __future__ import annotations

import re

from . import nvidia_faults, nvidia_smi, pci
from .nvidia_faults import Log
from .nvidia_links import links
from .nvidia_state import HOLDERS, Host, card, host_problems, state
from .nvidia_table import table
from .nvidia_told import ADDRESS, Told, gather, merged, name, number, same, uuid, version
from .pci import PciCard
from .seen import Seen
from .tools import Answer, Lines, answer

# The driver's own files come before the tool: a tool that hangs on a lost card must cost only its own part. One lost
# card ends a call for all of them, so then each is asked for itself. Instances have identifiers in -L alone. A report
# of many cards is longer than what is let through: csv has the rest of them.
SCRIPT = r"""
fields=index,uuid,pci.bus_id,name,memory.total,memory.free,driver_version
tell() { said=$(ask "$@"); printf '%s\n' "$said"; case $said in *"$1#124"*) hung=$2 ;; esac; all="$all$said"; }
sed -n '/NVRM version/{s/^/nvrm /p;q;}' "$R/proc/driver/nvidia/version" | head -c 500
for d in "$R"/proc/driver/nvidia/gpus/*; do
  [ -r "$d/information" ] && head -c 2000 "$d/information" | sed "s/^/nvinfo ${d##*/} /;20q"
done
[ -r "$R/sys/module/nvidia/version" ] && head -c 100 "$R/sys/module/nvidia/version" | sed 's/^/nvmod /'
for n in "$R"/dev/nvidia* "$R/dev/dxg"; do [ -e "$n" ] && echo "nvnode ${n##*/}"; done | head -n 80
all=
tell smi nvidia-smi -q -x
case $all in
  *"<gpu "*)
    case $all in *'</nvidia_smi_log>'*) ;; *) tell smicsv nvidia-smi --query-gpu=$fields --format=csv ;; esac
    case $all in *'<current_mig>Enabled'*) tell smil nvidia-smi -L ;; esac ;;
  *)
    tell smiq nvidia-smi -q
    tell smil nvidia-smi -L
    tell smicsv nvidia-smi --query-gpu=$fields --format=csv
    tell smit nvidia-smi ;;
esac
failed=
case $all in
  *[Uu]"nable to determine the device handle"*)
    failed=1
    for d in "$R"/sys/bus/pci/devices/*; do
      read -r class <"$d/class" && driver=$(readlink "$d/driver") || continue
      case $class$driver in 0x030*/nvidia) tell smione nvidia-smi -i "${d##*/}" -q -x ;; esac
    done ;;
  *'<gpu '* | *'Product Name'* | *'(UUID: GPU-'*) ;;
  *) failed=1 ;;
esac
if [ "$failed" ]; then
  ask kmod modinfo -F version nvidia
  ask dmesg sh -c '{ dmesg || journalctl -k -n 5000 --no-pager; } 2>/dev/null | grep NVRM: | tail -n 100'
else
  case $all in *'<gpu '*'<gpu '* | *'GPU 1: '*) ask smitopo nvidia-smi topo -m ;; esac
fi
"""

VENDOR = "10de"
LABELS = ("smi", "smione", "smiq", "smicsv", "smil", "smit")
# lspci without numbers: the name is all that it tells, and for a card it does not know that name is the number.
_SPOKEN = re.compile(
    r"((?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) "
    r"(?:VGA compatible|3D|Display) controller: NVIDIA Corporation (.*?)(?: \(rev \w+\))?$",
    re.MULTILINE,
)


def parse(lines: list[str]) -> Seen:
    """The cards that any source names, and their problems. A source that was cut says less, never something else."""
    lines = lines if isinstance(lines, Lines) else Lines(line.rstrip("\r\n") for line in lines)
    own = [line for line in lines if line.startswith("nv")]
    answers = {label: answer(lines, label) for label in LABELS}
    logs = {log.address: log for log in nvidia_faults.kernel_log(answer(lines, "dmesg").text)}
    bus = _spoken(answer(lines, "lspci").text) | pci.cards(lines, VENDOR)
    told, doubt = _told(own, answers, bus, logs)
    host = _host(own, answers, version(answer(lines, "kmod").text), any(t.answered for t in told), doubt)
    judged = [state(t, bus.get(t.address or ""), logs.get(t.address), host) for t in told]
    cards = [card(t, bus.get(t.address or ""), logs.get(t.address), s, host) for t, s in zip(told, judged, strict=True)]
    problems = [p for c, s in zip(cards, judged, strict=True) for p in s.problems(c)]
    held = bool(bus) and all(c.driver in HOLDERS for c in bus.values())
    return Seen(
        tuple(cards),
        (*host_problems(host, told, held, logs.get(None)), *problems),
        next((t.driver for t in told if t.driver), None) or host.module,
        next((t.cuda for t in told if t.cuda), None),
        links=links(
            answer(lines, "smitopo").text, {t.index: t.address for t in told if t.index is not None and t.address}
        ),
    )


def _told(
    own: list[str], answers: dict[str, Answer], bus: dict[str, PciCard], logs: dict[str | None, Log]
) -> tuple[list[Told], tuple[Told, ...]]:
    """All cards; and those that are lost, and are among the cards whose address is not known."""
    text = _text(answers)
    lost = nvidia_faults.lost(text)
    told = gather(_tools(answers), [t for t in lost if t.index is not None])
    known = _proc(own)
    open_ = {a for a, c in bus.items() if c.driver in (None, "nvidia")} | {t.address for t in known}
    present = gather(known, [Told(address=address) for address in bus])
    told = _placed(told, present, open_, {t.address for t in lost})
    told = gather(told, nvidia_faults.worn(text))
    # A list that does not complain of the lost card has it, under a number that the complaint does not say.
    hidden = not nvidia_faults.lost(answers["smil"].text) and any(t.answered and not t.address for t in told)
    doubt = tuple(t for t in lost if hidden and not any(same(t, other) for other in told))
    told = gather(told, [t for t in lost if t not in doubt])
    logged = [Told(address=log.address, pci_id=log.pci_id) for log in logs.values() if log.address]
    return gather(told, logged), doubt


def _text(answers: dict[str, Answer]) -> str:
    return "\n".join(f"{a.text}\n{a.complaint}" for a in answers.values())


def _tools(answers: dict[str, Answer]) -> list[Told]:
    """What the tool says, the form that says most first."""
    told = gather([], nvidia_smi.details(answers["smi"].text))
    told = gather(told, nvidia_smi.details(answers["smiq"].text))
    told = gather(told, nvidia_smi.details(answers["smione"].text, numbered=False))
    told = gather(told, nvidia_smi.rows(answers["smicsv"].text))
    told = gather(told, nvidia_smi.listed(answers["smil"].text))
    return gather(told, table(answers["smit"].text))


def _placed(told: list[Told], present: list[Told], open_: set[str | None], lost: set[str | None]) -> list[Told]:
    """The tool's cards with those of the bus.

    Cards that the tool lists without an address are the ones of the bus that are left, where there are as many: its
    numbers follow the bus. Where there are not, no card is dropped.
    """
    told = gather(told, [p for p in present if any(same(t, p) for t in told)])
    loose = sorted((t for t in told if t.address is None), key=lambda t: t.index or 0)
    left = [p for p in present if p.address in open_ and not any(same(t, p) for t in told)]
    healthy = [p for p in left if p.address not in lost]
    for places in (left, healthy):
        if loose and len(places) == len(loose):
            by_address = sorted(places, key=lambda p: p.address or "")
            pairs = [merged(t, p) for t, p in zip(loose, by_address, strict=True)]
            told = [*(t for t in told if t.address is not None), *pairs]
            break
    return gather(told, present)


def _proc(own: list[str]) -> list[Told]:
    """The driver's own list, ``nvinfo ADDRESS key: value``. It says Unknown of a card that did not start."""
    known: dict[str, dict[str, str]] = {}
    for line in own:
        if found := re.match(rf"nvinfo ({ADDRESS}) ([^:]+):(.*)", line):
            known.setdefault(pci.normal(found[1]), {})[found[2].strip()] = found[3].strip()
    return [
        Told(
            address=address,
            uuid=uuid(said.get("GPU UUID")),
            name=name(said.get("Model")),
            minor=number(said.get("Device Minor")),
            dead="the driver does not know its model" if said.get("Model") == "Unknown" else None,
        )
        for address, said in known.items()
    ]


def _spoken(text: str) -> dict[str, PciCard]:
    """The cards in what `lspci` prints without numbers."""
    found = {}
    for address, called in _SPOKEN.findall(text):
        id_ = re.fullmatch(r"Device ([0-9a-f]{4})", called)
        at = pci.normal(address)
        found[at] = PciCard(at, f"{VENDOR}:{id_[1]}" if id_ else "", "0300", name=None if id_ else called)
    return found


def _host(
    own: list[str], answers: dict[str, Answer], on_disk: str | None, answered: bool, doubt: tuple[Told, ...]
) -> Host:
    text = _text(answers)
    said = dict(line.split(" ", 1) for line in own if line.startswith(("nvrm ", "nvmod ")))
    nodes = [line[7:] for line in own if line.startswith("nvnode ")]
    plain = next((words.partition("\n")[0] for a in answers.values() if (words := a.text.strip())), None)
    return Host(
        complaint=nvidia_faults.complaint(text),
        module=version(said.get("nvrm")) or version(said.get("nvmod")),
        on_disk=on_disk,
        windows="dxg" in nodes and "nvidiactl" not in nodes,
        nodes=tuple(n for n in nodes if re.fullmatch(r"nvidia(\d+|ctl)", n)),
        answered=answered,
        doubt=doubt,
        silent=any(a.rc in (124, 137, 143) for a in answers.values()),
        unread=plain,
    )
