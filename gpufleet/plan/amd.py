"""AMD: a driver for cards that nothing drives, and the container toolkit where cards shall be CDI devices."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalog import distro
from ..schema import Finding, Gpu, HostFacts, Provision
from ..schema.distro import Amd, AmdRelease
from .driver import THEN, kept_out
from .fill import fill
from .finding import block, inform, warn
from .versions import CDI_SWITCH, version
from .wanted import Wanted

ARCH = "x86_64"
TOOLKIT, DRIVER = "amd-container-toolkit", "amdgpu-dkms"
KIND = "amd.com/gpu"
# What makes the specification: a program, its unit, and what enables that.
PROGRAM = "/usr/local/lib/gpufleet/amd-cdi"
UNIT = "/etc/systemd/system/gpufleet-amd-cdi.service"
ENABLED = "/etc/systemd/system/multi-user.target.wants/gpufleet-amd-cdi.service"
FILES = (PROGRAM, UNIT, ENABLED)


def known(facts: HostFacts) -> tuple[Amd, AmdRelease] | None:
    """What AMD has for the host's distribution."""
    entry, system = distro(facts.system.distro), facts.system
    if entry is None or entry.amd is None or system.arch != ARCH or system.distro_version not in entry.amd.releases:
        return None
    return entry.amd, entry.amd.releases[system.distro_version]


def toolkit_packages(wanted: Wanted, facts: HostFacts) -> dict[str, str]:
    """The toolkit at one exact version; none: it is not known, or nobody wants it from us."""
    told, settings = known(facts), wanted.settings
    if not (told and told[0].toolkit and settings.install_toolkit and settings.amd_access == "cdi"):
        return {}
    names = {"version": settings.amd_toolkit_version, "number": told[1].number}
    return {TOOLKIT: fill(told[0].toolkit, names, f"distros/{facts.system.distro}/amd/toolkit")}


def driver_packages(wanted: Wanted, facts: HostFacts) -> tuple[str, ...]:
    """The modules and what they are built with; none: the cards have a driver, or something speaks against one."""
    told = known(facts)
    if told is None or not driverless(wanted, facts) or _obstacle(facts):
        return ()
    where = f"distros/{facts.system.distro}/amd/driver"
    return tuple(fill(package, {"kernel": facts.system.kernel}, where) for package in told[0].driver)


def driverless(wanted: Wanted, facts: HostFacts) -> list[Gpu]:
    """Cards that this run gives a driver: none of AMD's has one. Processors' graphics are the kernel's own matter."""
    return [c for c in _bare(wanted, facts) if c.kind != "apu"]


def _bare(wanted: Wanted, facts: HostFacts) -> list[Gpu]:
    cards = [c for c in facts.gpus.cards if c.vendor == "amd"]
    bare = all(c.kernel_driver is None and c.usable is False for c in cards)
    return cards if bare and wanted.settings.driver == "install" and wanted.role != "cpu" else []


def against(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """What speaks against a driver, and what will be done."""
    cards = driverless(wanted, facts)
    if not cards:
        yield from _processors(_bare(wanted, facts), facts)
    elif obstacle := _obstacle(facts):
        yield obstacle
    else:
        what = f"none yet for {', '.join(str(c.pci_id) for c in cards)}"
        yield inform("GPU-DRIVER-INSTALL", "gpus", what, f"will install {DRIVER}; {THEN[wanted.settings.reboot]}")


def _processors(cards: list[Gpu], facts: HostFacts) -> Iterable[Finding]:
    """Of those that have no driver, where no other card works either."""
    if cards and not any(c.usable for c in facts.gpus.cards):
        what = f"{', '.join(str(c.pci_id) for c in cards)}: processors' graphics are driven by the kernel's own amdgpu"
        yield warn("GPU-DRIVER-INSTALL", "gpus", what, "boot a kernel that has it; gpufleet installs none for these")


def _obstacle(facts: HostFacts) -> Finding | None:
    """Why there will be no driver."""
    if known(facts) is None:
        fix = "install amdgpu by hand, then set driver = 'adopt'"
        return block("GPU-DRIVER-INSTALL", "gpus", f"no amdgpu packages known for {facts.system.name}", fix)
    if facts.system.refuses_modules:
        fix = "enrol dkms' key at the host's console, or switch Secure Boot off"
        return block("HOST-SECURE-BOOT", "gpus", f"{DRIVER}'s modules would not be signed, and Secure Boot is on", fix)
    if line := kept_out(facts, "amdgpu", "nomodeset"):
        fix = "remove it, rebuild the initramfs, reboot"
        return block("GPU-BLACKLISTED", "gpus", f"{line} keeps amdgpu from loading", fix)
    return None


def way(wanted: Wanted, facts: HostFacts, provision: Provision) -> Iterable[Finding]:
    """Whether containers can have AMD's cards as CDI devices."""
    if not provision.amd_cards:
        return
    have = version(facts.engine.version or "")
    if facts.engine.name == "docker" and have and have < CDI_SWITCH:
        yield _way(f"Docker {facts.engine.version} knows no CDI devices, {CDI_SWITCH[0]} is the first that does")
    if TOOLKIT not in provision.packages and TOOLKIT not in facts.plumbing.packages:
        off = "" if wanted.settings.install_toolkit else ", and install_toolkit is off"
        yield _way(f"{TOOLKIT} is not there{off}" if off else f"no {TOOLKIT} known for {facts.system.name}")


def _way(what: str) -> Finding:
    return block("GPU-CDI", "group_data/amd_access", what, "set amd_access = 'nodes', which needs neither")
