"""NVIDIA's driver for cards that have none: which modules drive them is a function of their PCI ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from ..catalog import distro, driver_families
from ..schema import DriverFamily, Finding, Gpu, HostFacts
from ..schema.distro import Driver
from .finding import block, inform, warn
from .versions import version
from .wanted import Wanted

Flavour = Literal["open", "proprietary"]
DRIVERLESS = (None, "nouveau", "nova_core")
THEN = {"never": "reboot the host, and run again", "ask": "ask for a reboot", "when_needed": "reboot"}
PENDING = "the driver was installed and is loaded by the next boot"


def driverless(wanted: Wanted, facts: HostFacts) -> list[Gpu]:
    """Cards that this run gives a driver: none of NVIDIA's has one, or belongs to a virtual machine."""
    cards = [c for c in facts.gpus.cards if c.vendor == "nvidia"]
    bare = all(c.kernel_driver in DRIVERLESS and c.usable is False for c in cards)
    return cards if bare and wanted.settings.driver == "install" and wanted.role != "cpu" else []


def family(card: Gpu) -> DriverFamily:
    id_ = (card.pci_id or "0000:0000")[5:]
    return [f for f in driver_families() if f.first <= id_][-1]


def flavour(cards: Sequence[Gpu], branch: int) -> Flavour | None:
    """What drives them all on this branch; None: nothing does."""
    families = [family(c) for c in cards]
    kinds: tuple[Flavour, ...] = ("open", "proprietary")
    fitting = (k for k in kinds if all(k in f.flavours and branch <= (f.branch or branch) for f in families))
    return next(fitting, None)


def buildable(told: Driver, facts: HostFacts) -> bool:
    """Whether what builds the modules is there, or where it comes from."""
    return not told.needs or not facts.plumbing.packages.keys().isdisjoint(told.needs)


def against(cards: Sequence[Gpu], wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """What speaks against a driver, and what will be done."""
    branch, entry = wanted.settings.driver_branch, distro(facts.system.distro)
    names = ", ".join(f"{c.pci_id} ({family(c).name})" for c in cards)
    if entry is None or entry.driver is None:
        fix = "install NVIDIA's driver by hand, then set driver = 'adopt'"
        yield block("GPU-DRIVER-INSTALL", "gpus", f"no driver packages known for {facts.system.distro}", fix)
    elif not buildable(entry.driver, facts):
        what = "dkms, which builds the driver's modules, comes from EPEL, which is not there"
        fix = "enable CRB and install epel-release, or dkms itself, then run again"
        yield block("GPU-DRIVER-INSTALL", "gpus", what, fix)
    elif flavour(cards, branch) is None:
        newest = min((f.branch for c in cards if (f := family(c)).branch), default=None)
        fix = f"set driver_branch = {newest}" if newest and newest < branch else "take the older ones out"
        yield block("GPU-DRIVER-INSTALL", "gpus", f"no driver {branch} for {names} together", fix)
    elif facts.system.refuses_modules:
        fix = "enrol dkms' key at the host's console, install a signed driver by hand, or switch Secure Boot off"
        yield block("HOST-SECURE-BOOT", "gpus", "the driver's modules would not be signed, and Secure Boot is on", fix)
    elif line := kept_out(facts, "nvidia"):
        fix = "remove it, rebuild the initramfs, reboot"
        yield block("GPU-BLACKLISTED", "gpus", f"{line} keeps nvidia from loading", fix)
    else:
        then = THEN[wanted.settings.reboot]
        what = f"none yet for {names}"
        fix = f"will install {branch}, {flavour(cards, branch)} modules; {then}"
        yield inform("GPU-DRIVER-INSTALL", "gpus", what, fix)


def other_branch(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """A driver that is there and not of the branch that somebody has set: it is kept, and said to be."""
    settings = wanted.settings
    if settings.driver != "install" or wanted.role == "cpu" or "driver_branch" not in settings.model_fields_set:
        return
    cards = [c for c in facts.gpus.cards if c.vendor == "nvidia" and c.kernel_driver not in DRIVERLESS]
    have = {c.driver_version for c in cards if c.driver_version}
    for told in sorted(have):
        if version(told)[:1] != (settings.driver_branch,):
            what = f"{told} is there and kept, although driver_branch is {settings.driver_branch}"
            fix = "leave driver_branch out, or remove the driver's packages, reboot, and run again"
            yield warn("GPU-DRIVER-BRANCH", "gpus", what, fix)


def kept_out(facts: HostFacts, *words: str) -> str | None:
    """The first line that keeps a module from loading, by the module's name or a word for all of them."""
    return next((line for line in facts.plumbing.kept_out if {*words} & {*line.rpartition(":")[2].split()}), None)
