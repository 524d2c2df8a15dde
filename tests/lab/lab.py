"""The lab as tests use it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from . import net, nspawn, programs, pypi, services, vendors
from .images import push
from .paths import GATEWAY, HOME, RUN
from .seed import ADDRESS as SEED_ADDRESS
from .seed import plant
from .shell import LabError, exclusive, replace, step, until
from .spec import Spec, read
from .trees import machine_packages

NAME = 11  # the kernel allows an interface 15 characters; ours begin with gfl-
FIRST = 11  # the last number of the first host's address


@dataclass(frozen=True)
class HostInfo:
    """A host that runs; its ``profile`` is PROFILE[@SUITE][+ENGINE]."""

    address: str
    profile: str

    @property
    def spec(self) -> Spec:
        return read(self.profile)


class Lab:
    """Hosts by name. A host is PROFILE[@SUITE][+ENGINE]; a profile is `cpu` or a folder of tests/cases/gpu."""

    def up(self, wanted: Mapping[str, str], seeded: bool = True) -> dict[str, HostInfo]:
        """Bring up these hosts beside those that run; one that runs with another profile is made anew."""
        _root()
        wanted = {name: str(read(text)) for name, text in wanted.items()}
        with exclusive():
            machine_packages()
            _base()
            have = self.hosts()
            if long := [n for n in wanted if len(n) > NAME]:
                raise LabError(f"{', '.join(long)}: a host's name has at most {NAME} characters")
            for name, profile in wanted.items():
                if name in have and have[name].profile != profile:
                    del have[name]
                    nspawn.remove(name)
            for name, profile in wanted.items():
                have.setdefault(name, HostInfo(_address(have), profile))
            # Before the first boot: a host that is not in the file would not be taken down after a crash.
            _write(have)
            if any(have[name].spec.engine == "none" for name in wanted):
                vendors.publish()
            with step(f"hosts {', '.join(f'{n} ({p})' for n, p in wanted.items())}"):
                for name in wanted:
                    self._boot(name, have[name], seeded)
                for name in wanted:
                    nspawn.wait(name, have[name].address, have[name].spec)
            return have

    def _boot(self, name: str, host: HostInfo, seeded: bool) -> None:
        docker = nspawn.folder(name) / "docker"
        # A bare host will have an engine, and its store is there from the beginning.
        planted = host.spec.engine != "podman"
        if seeded and planted and not (docker / "overlay2").exists():
            docker.mkdir(parents=True, exist_ok=True)
            plant(docker)
        nspawn.boot(name, host.address, host.spec)

    def down(self, *names: str, unless_used: bool = False) -> list[str]:
        """End these hosts, or everything: hosts, services, bridge, and the run directory; what of it there was."""
        _root()
        with exclusive():
            if unless_used and self.hosts():
                return []
            every = {*self.hosts(), *net.leftovers(), *_folders()}
            if not names:
                programs.end_strays()
            for name in names or sorted(every):
                nspawn.remove(name)
            if names:
                _write({n: h for n, h in self.hosts().items() if n not in names})
                return sorted(every & {*names})
            others = [name for name in programs.names() if name.removeprefix("host-") not in every]
            services.stop()
            net.down_bridge()
            shutil.rmtree(RUN, ignore_errors=True)
            return [*sorted(every), *others]

    def wipe(self, name: str, seeded: bool = True) -> None:
        """The host as it was first made."""
        profile = self.hosts()[name].profile
        with exclusive():
            nspawn.remove(name)
        self.up({name: profile}, seeded)

    def reboot(self, name: str) -> None:
        """A real reboot; returns when the host answers again."""
        mark = "/run/lab-boot"  # /run is new with every boot
        self.run(name, f"touch {mark}; systemctl reboot", check=False)
        until(f"the reboot of {name}", lambda: self.run(name, f"test ! -e {mark}", check=False).returncode == 0)
        host = self.hosts()[name]
        nspawn.wait(name, host.address, host.spec)

    def mirror(self) -> dict[str, str]:
        """Serve the vendors' repositories to hosts that run: their URL, and the fingerprint of their key."""
        with exclusive():
            return vendors.publish()

    def link(self, name: str, up: bool) -> None:
        """Plug or unplug the host's cable."""
        net.link(name, up)

    def run(self, name: str, command: str, check: bool = True, timeout: float | None = None) -> nspawn.Completed:
        """A shell command on a host, as root."""
        done = nspawn.ssh(self.hosts()[name].address, command, timeout)
        if check and done.returncode:
            raise LabError(f"{name}: {command[:100]!r} failed ({done.returncode})\n{done.stdout}{done.stderr}")
        return done

    def hosts(self) -> dict[str, HostInfo]:
        """The hosts that shall run."""
        try:
            told = json.loads((RUN / "hosts.json").read_text())["hosts"]
        except (OSError, ValueError, KeyError):
            return {}
        return {name: HostInfo(**host) for name, host in told.items()}


def _root() -> None:
    if os.geteuid() != 0:
        raise LabError("hosts are booted by root; run it as root")
    HOME.mkdir(parents=True, exist_ok=True)


def _base() -> None:
    """What all hosts share."""
    nspawn.keys()
    # Each systemd takes dozens; the kernel's default is 128 for all of them together.
    instances = Path("/proc/sys/fs/inotify/max_user_instances")
    instances.write_text(str(max(4096, int(instances.read_text()))))
    net.up_bridge()
    services.start()
    push()


def _folders() -> list[str]:
    return [p.name for p in (RUN / "hosts").iterdir()] if (RUN / "hosts").exists() else []


def _address(have: Mapping[str, HostInfo]) -> str:
    prefix = GATEWAY.rsplit(".", 1)[0]
    taken = {h.address for h in have.values()}
    return next(a for n in range(FIRST, 250) if (a := f"{prefix}.{n}") not in taken)


def _write(hosts: Mapping[str, HostInfo]) -> None:
    """run/hosts.json, which inventory/lab.py reads."""
    told = {"hosts": {n: asdict(h) for n, h in hosts.items()}, "ssh_key": str(nspawn.KEY), "gateway": GATEWAY}
    told["pypi"] = pypi.URL
    replace(RUN / "hosts.json", json.dumps(told, indent=1))
    nspawn.known_hosts([SEED_ADDRESS, *(h.address for h in hosts.values())])


def running() -> dict[str, bool]:
    """Programs of the lab, and whether they run."""
    return {name: programs.pid_of(name) is not None for name in programs.names()}
