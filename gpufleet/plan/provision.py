"""What a host needs below its stack: an engine, and the way from containers to cards; what works is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

from ..catalog import distro
from ..schema import Gpu, HostFacts, Plumbing, Provision, Source
from ..schema.distro import Release, Vendor
from ..schema.provision import ENGINES, MARK
from . import amd
from .daemon import merged, plain
from .driver import PENDING, buildable, driverless, flavour, kept_out
from .fill import fill
from .versions import CDI_ITSELF, CDI_SCHEMA, CDI_SWITCH, version
from .wanted import Wanted

PODMAN_PLAIN = "/etc/containers/registries.conf.d/gpufleet.conf"
UNITS = {"docker": "docker", "podman": "podman.socket"}  # what must run for Docker's CLI to be answered
SWITCH: Mapping[str, Any] = {"features": {"cdi": True}}
TOOLKIT = "nvidia-container-toolkit"
OTHERS = (TOOLKIT, f"{TOOLKIT}-base")
DRIVERS = ("nvidia-", "kmod-nvidia-", "amdgpu-")  # how the names of what must not be upgraded begin
RUNTIME: Mapping[str, Any] = {"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}


def provision(wanted: Wanted, facts: HostFacts, cards: Sequence[Gpu]) -> Provision:
    """What is to be there on a host whose containers get ``cards``."""
    ids, radeons = (tuple(sorted({c.identity or "" for c in cards if c.vendor == v})) for v in ("nvidia", "amd"))
    radeons = radeons if wanted.settings.amd_access == "cdi" else ()
    engine, (first, driver) = engine_packages(wanted, facts), driver_packages(wanted, facts)
    toolkit, amd_toolkit = toolkit_packages(wanted, facts), amd.toolkit_packages(wanted, facts)
    amd_driver = amd.driver_packages(wanted, facts)
    # A toolkit that comes after its driver's reboot has its repository before: what is wrong with it is said first.
    vendors: dict[Vendor, object] = {
        "docker": _dockers(facts, engine),
        "toolkit": toolkit and (ids or driver),
        "driver": driver,
        "amd_toolkit": amd_toolkit and (radeons or amd_driver),
        "amd_driver": amd_driver,
    }
    toolkit, amd_toolkit = toolkit if ids else {}, amd_toolkit if radeons else {}
    drivers = (*driver, *amd_driver)
    kept = {} if drivers else _kept_drivers(wanted, facts)
    return Provision(
        engine=wanted.settings.engine,
        version=facts.engine.version if facts.engine.reachable else None,
        manager=entry.package_manager if (entry := distro(facts.system.distro)) else None,
        sources=tuple(_source(wanted, facts, v) for v, used in vendors.items() if used),
        first=first,
        packages=dict.fromkeys(engine, "") | driver | dict.fromkeys(amd_driver, "") | kept | toolkit | amd_toolkit,
        hold=(*toolkit, *amd_toolkit, *(name for name in (*drivers, *kept) if name.startswith(DRIVERS))),
        route=route(facts) if ids else None,
        cards=ids,
        amd_cards=radeons,
        plain=wanted.settings.mirrors.plain,
        reboot=wanted.settings.reboot,
        reboot_window=wanted.settings.reboot_window,
        pending=PENDING if drivers else "",
    )


def _dockers(facts: HostFacts, engine: Iterable[str]) -> bool:
    """Whether packages of Docker's own repository are among those of the engine."""
    entry = distro(facts.system.distro)
    return bool(entry and "docker" in entry.repositories and {*engine} & {*entry.repositories["docker"].packages})


def _kept_drivers(wanted: Wanted, facts: HostFacts) -> dict[str, str]:
    """Packages of a driver that is there, at the version that they have: held, also where an earlier run was killed."""
    if wanted.settings.driver != "install" or wanted.role == "cpu":
        return {}
    return {name: v for name, v in facts.plumbing.packages.items() if name.startswith(DRIVERS) and name not in OTHERS}


def driver_packages(wanted: Wanted, facts: HostFacts) -> tuple[tuple[str, ...], dict[str, str]]:
    """What keeps the driver's branch, and the driver; none where there is one, or none that would do."""
    entry, branch = distro(facts.system.distro), wanted.settings.driver_branch
    cards = driverless(wanted, facts)
    kind = flavour(cards, branch) if cards else None
    told = entry.driver if entry else None
    against = facts.system.refuses_modules or kept_out(facts, "nvidia")
    if not (told and kind and release_of(facts) and buildable(told, facts)) or against:
        return (), {}
    names = {"branch": branch, "kernel": facts.system.kernel, "flavour": kind}
    where = f"distros/{facts.system.distro}/driver"
    packages = (*told.headers, *(told.open if kind == "open" else told.proprietary))
    pairs = (fill(p, names, where).partition("=") for p in packages)
    return tuple(fill(p, names, where) for p in told.first), {name: version for name, _, version in pairs}


def route(facts: HostFacts) -> Literal["cdi", "hook"]:
    """How containers get at NVIDIA's cards. An engine that is still to be installed is new enough for CDI."""
    if facts.engine.name == "podman":
        return "cdi"
    number = version(facts.engine.version or "")
    old = bool(number) and number < CDI_SCHEMA
    return "hook" if not nvidia_devices(facts) and (old or "nvidia" in facts.engine.runtimes) else "cdi"


def nvidia_devices(facts: HostFacts) -> tuple[str, ...]:
    """NVIDIA's CDI devices that the engine knows; a host may have another vendor's as well."""
    return tuple(d for d in facts.engine.cdi_devices if d.startswith("nvidia.com/"))


def daemon(wanted: Provision, have: Plumbing) -> Mapping[str, Any]:
    """What daemon.json must say on the engine; packages know its version where it did not yet say so itself."""
    if wanted.engine == "podman":
        return {}
    number = version(wanted.version or have.engine or "")
    cdi = (wanted.route == "cdi" or wanted.amd_cards) and CDI_SWITCH <= number < CDI_ITSELF
    cards = {**(RUNTIME if wanted.route == "hook" else {}), **(SWITCH if cdi else {})}
    return {**cards, **plain(have.daemon, wanted.plain)}


def right(wanted: Provision, have: Plumbing) -> bool:
    """Whether the engine's configuration says what is needed, or Podman listens to Docker's CLI."""
    if wanted.engine == "podman":
        return have.socket and (not wanted.plain or have.digests.get(PODMAN_PLAIN) == _digest(podman_plain(wanted)))
    return not (have.disabled or have.stopped) and merged(have.daemon, daemon(wanted, have)) is None


def loaded(wanted: Provision, have: Plumbing) -> bool:
    """Whether the running dockerd knows the way to the cards (it looks for the hook only when it starts), and
    which registries have no TLS.
    """
    if wanted.engine == "podman" or not have.stale:
        return True
    if not {*wanted.plain} <= {*have.live}:
        return False
    hook = any(path.endswith("hook") for path in have.stale)
    if wanted.route == "hook" and ("nvidia" not in have.live or hook):
        return False
    return "cdi" in have.live or not (wanted.route == "cdi" or wanted.amd_cards)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def podman_plain(wanted: Provision) -> str:
    """The file that tells Podman of registries without TLS."""
    each = (f'[[registry]]\nlocation = "{name}"\ninsecure = true\n' for name in wanted.plain)
    return f"{MARK}\n{''.join(each)}"


def coming(wanted: Provision, have: Plumbing) -> bool:
    """Whether Docker is still to be installed for containers with cards: what it has to be told is known then."""
    cards = bool(wanted.route or wanted.amd_cards)
    return cards and any(name in ENGINES and name not in have.packages for name in wanted.packages)


def engine_packages(wanted: Wanted, facts: HostFacts) -> tuple[str, ...]:
    """Packages of the engine that is to be installed; none: one is there, or nothing is known for the distribution."""
    entry, release = distro(facts.system.distro), release_of(facts)
    if not (entry and release and wanted.settings.install_engine):
        return ()
    if wanted.settings.engine == "podman":
        return (
            *(release.podman if not facts.engine.version else ()),
            *(release.client if not facts.engine.compose_version else ()),
        )
    if facts.engine.version and facts.engine.compose_version:
        return ()
    if wanted.settings.engine_from == "docker":
        return tuple(entry.repositories["docker"].packages) if "docker" in entry.repositories else ()
    return tuple(release.docker)


def toolkit_packages(wanted: Wanted, facts: HostFacts) -> dict[str, str]:
    """NVIDIA's toolkit at one exact version: the packages want each other's. None: it is another's, or not known."""
    entry, settings = distro(facts.system.distro), wanted.settings
    if not (entry and facts.system.arch in entry.arch and settings.install_toolkit):
        return {}
    toolkit = entry.repositories["toolkit"]
    # A version that somebody has set is meant for every host; the default only for what gpufleet installs.
    meant = "toolkit_version" in settings.model_fields_set or toolkit.file in facts.plumbing.ours
    return dict.fromkeys(toolkit.packages, settings.toolkit_version) if meant or not reached(facts) else {}


def reached(facts: HostFacts) -> bool:
    """Whether containers reach NVIDIA's cards. An engine that is not started does not say: what is there will do."""
    stopped = facts.plumbing.stopped and TOOLKIT in facts.plumbing.packages
    return bool(nvidia_devices(facts)) or "nvidia" in facts.engine.runtimes or stopped


def release_of(facts: HostFacts) -> Release | None:
    """The host's release in the catalog; EL's minor releases are all one."""
    entry, id_ = distro(facts.system.distro), facts.system.distro_version
    if entry is None or facts.system.arch not in entry.arch:
        return None
    return entry.releases.get(id_) or entry.releases.get(id_.partition(".")[0])


def _source(wanted: Wanted, facts: HostFacts, name: Vendor) -> Source:
    entry, release = distro(facts.system.distro), release_of(facts)
    assert entry
    repository = entry.repositories[name]
    key, id_ = repository.keys.get(facts.system.distro_version, repository.key), facts.system.distro_version
    names = {
        "release": release.name if release else "",
        "arch": entry.arch[facts.system.arch],
        "machine": {"aarch64": "sbsa"}.get(facts.system.arch, facts.system.arch),
        "suite": told[1].suite if (told := amd.known(facts)) else "",
        "id": f"{facts.system.distro}{id_.replace('.', '')}",
    }
    where = f"distros/{facts.system.distro}/repositories/{name}"
    url = _moved(wanted, fill(repository.url, names, f"{where}/url"))
    return Source(
        name=name,
        file=fill(repository.file, names, f"{where}/file"),
        content=f"{MARK}\n{fill(repository.content, {**names, 'url': url}, f'{where}/content')}",
        key_url=_moved(wanted, fill(key.url, {**names, "url": url}, f"{where}/key")),
        key_file=key.file,
        fingerprint=wanted.settings.mirrors.keys.get(name, key.fingerprint),
        pin=repository.pin,
    )


def _moved(wanted: Wanted, url: str) -> str:
    """``url`` on the mirror, where there is one."""
    mirror = wanted.settings.mirrors.packages
    if not mirror or url.startswith(mirror.rstrip("/")):
        return url
    return f"{mirror.rstrip('/')}/{url.removeprefix('https://')}"
