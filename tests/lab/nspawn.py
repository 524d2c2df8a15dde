"""One host: an overlay over the common tree, booted by systemd-nspawn in a network namespace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from . import engines, hardware, net, programs, rpm_hosts
from .paths import FILES, GATEWAY, RUN
from .services import NAMES, certificates
from .shell import mounted, replace, run, until
from .spec import Spec
from .trees import host_tree

Completed = subprocess.CompletedProcess[str]
KEY = RUN / "id_ed25519"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def folder(name: str) -> Path:
    return RUN / "hosts" / name


def boot(name: str, address: str, spec: Spec) -> None:
    """Make the host's files unless they are there, and start it unless it runs."""
    home, root = folder(name), folder(name) / "root"
    fresh = not (home / "made").exists()
    # Podman has its store where a host has Podman, or may get it.
    stores = ("docker", "containerd") if spec.engine == "docker" else ("docker", "containerd", "containers")
    for part in ("upper", "work", "root", *stores):
        (home / part).mkdir(parents=True, exist_ok=True)
    if not mounted(root):
        layers = f"lowerdir={host_tree(spec.suite, spec.engine)},upperdir={home}/upper,workdir={home}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, root)
    if fresh:
        _furnish(root, name, spec)
        (home / "made").write_text(str(spec))
    if not net.namespace(name).exists():
        net.join(name, address)
    programs.start(f"host-{name}", FILES / "nspawn", root, name, home, env=_environment(spec))


def _environment(spec: Spec) -> dict[str, str]:
    """Its systemd no longer knows control groups of version 1, which this machine has."""
    return {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"} if "sid" in (spec.suite, rpm_hosts.BASE.get(spec.suite)) else {}


def _furnish(root: Path, name: str, spec: Spec) -> None:
    """What makes this host this host."""
    (root / "etc/hostname").write_text(f"{name}\n")
    names = " ".join(NAMES)
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {name}\n{GATEWAY} {names}\n")
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(f"{KEY}.pub", root / "root/.ssh/authorized_keys")
    with (root / BUNDLE).open("a") as bundle:
        bundle.write((certificates() / "ca.pem").read_text())
    for key in (host_tree() / "etc/ssh").glob("ssh_host_*"):
        shutil.copy(key, root / "etc/ssh")  # one for all, as known_hosts() has it
    direct = f'Acquire::http::Proxy::{GATEWAY} "DIRECT";\n'
    (root / "etc/apt/apt.conf.d/91lab").write_text(direct)
    # The real dkms of Debian's would compile.
    prefer = "Package: dkms\nPin: version *+lab1\nPin-Priority: 1000\n"
    (root / "etc/apt/preferences.d/lab").write_text(prefer)
    if spec.suite in rpm_hosts.BASE:
        rpm_hosts.furnish(root, spec.suite)
    cards = [] if spec.profile == "cpu" else hardware.install(spec.profile, root)
    engines.configure(spec, root, cards)


def wait(name: str, address: str, spec: Spec) -> None:
    """Until sshd lets us in and dockerd, if it is there from the beginning, answers."""
    until(f"ssh on {name} (see {programs.log(f'host-{name}')})", lambda: ssh(address, "true").returncode == 0, 60)
    if spec.engine == "docker":
        until(f"dockerd on {name}", lambda: ssh(address, "docker version >/dev/null").returncode == 0, 60)


def ssh(address: str, command: str, timeout: float | None = None) -> Completed:
    """Run a shell command on a host."""
    args = ["ssh", *options(), f"root@{address}", command]
    return subprocess.run(args, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)


def options() -> list[str]:
    plain = (
        "BatchMode=yes",
        "ConnectTimeout=5",
        f"UserKnownHostsFile={RUN}/known_hosts",
        "LogLevel=ERROR",
        "IdentitiesOnly=yes",
    )
    return ["-i", str(KEY), *(word for option in plain for word in ("-o", option))]


def keys() -> None:
    """The key pair by which we log in."""
    if not KEY.exists():
        RUN.mkdir(parents=True, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gpufleet lab", "-f", KEY)


def known_hosts(addresses: list[str]) -> None:
    """Every host has the common tree's host key."""
    key = " ".join((host_tree() / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])
    replace(RUN / "known_hosts", "".join(f"{a} {key}\n" for a in addresses))


def halt(name: str) -> None:
    """Pull the host's plug; its files stay."""
    programs.stop(f"host-{name}", gently=False)
    for pid in net.processes(name):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    net.leave(name)
    for mount in (folder(name) / "root", folder(name) / "docker"):
        for _ in range(20):
            if not mounted(mount):
                break
            run("umount", "-R", mount, check=False)


def remove(name: str) -> None:
    halt(name)
    # An overlay that is still mounted would be emptied file by file, through to nothing: never delete below a mount.
    if not mounted(folder(name) / "root"):
        shutil.rmtree(folder(name), ignore_errors=True)
