"""What hosts reach instead of the internet: a registry under upstream's names, a package cache, models over HTTP."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from pathlib import Path

from . import eye, programs, pypi
from .gguf import VERSION, write
from .paths import CACHE, GATEWAY, MIRROR, RUN
from .shell import cached, mounted, replace, run, until
from .trees import service_tree
from .wheels import caddy

# Registries that answer under their own names. docker.io has its own way: registry-mirrors.
NAMES = ("ghcr.io", "quay.io", "nvcr.io")
MODELS = {"lab-tiny.gguf": "pong from lab", "lab-other.gguf": "other model here"}
EYE = "lab-eye.gguf"


def start() -> None:
    """Start what does not run yet."""
    tree, tls = service_tree(), certificates()
    models = cached("models", f"{MODELS} {VERSION} {eye.VERSION}", _make_models)
    registry, packages = CACHE / "registry", CACHE / "packages"
    for folder in (registry, packages, RUN):
        folder.mkdir(parents=True, exist_ok=True)
    _start("registry", _registry(registry), tree / "usr/bin/docker-registry", "serve")
    _start("caddy", _caddyfile(tls, models, pypi.index()), caddy(), "run", "--adapter", "caddyfile", "--config")
    _start_package_cache(tree, packages)
    for port in (5000, 3142, 443, 8081):
        until(f"port {port} of the lab's services (see {RUN}/*.log)", lambda port=port: _answers(port))  # type: ignore[misc]
    _describe(models)


def _start(name: str, config: str, *command: str | Path) -> None:
    """A program whose last argument is its configuration file."""
    (RUN / f"{name}.conf").write_text(config)
    programs.start(name, *command, RUN / f"{name}.conf", env={"HOME": str(RUN)}, config=config)


def _answers(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex((GATEWAY, port)) == 0


def _registry(storage: Path) -> str:
    return f"""version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {storage}}}, delete: {{enabled: true}}}}
http: {{addr: "{GATEWAY}:5000"}}
"""


def _caddyfile(tls: Path, models: Path, index: Path) -> str:
    sites = ", ".join(f"https://{name}" for name in NAMES)
    return f"""{{
    default_bind {GATEWAY}
    auto_https off
    skip_install_trust
    admin off
}}
{sites} {{
    tls {tls}/leaf.pem {tls}/leaf.key
    reverse_proxy {GATEWAY}:5000
}}
http://{GATEWAY}:8081 {{
    handle_path /mirror/* {{
        root * {MIRROR}
        file_server
    }}
    handle_path /pypi/* {{
        root * {index}
        file_server
    }}
    handle {{
        root * {models}
        file_server
    }}
}}
"""


def _start_package_cache(tree: Path, storage: Path) -> None:
    """apt-cacher-ng in its own root: it wants its own libraries. Its cache lies outside, to be kept."""
    for name in ("etc/resolv.conf", "etc/hosts"):
        shutil.copy(Path("/") / name, tree / name)
    cache = tree / "cache"
    cache.mkdir(exist_ok=True)
    if not mounted(cache):
        run("mount", "--bind", storage, cache)
    settings = (
        f"BindAddress={GATEWAY}",
        "Port=3142",
        "CacheDir=/cache",
        "LogDir=/cache",
        "ForeGround=1",
        "PidFile=/cache/pid",
    )
    programs.start("packages", "chroot", tree, "/usr/sbin/apt-cacher-ng", "-c", "/etc/apt-cacher-ng", *settings)


def stop() -> None:
    """End them all, and what they had mounted."""
    for name in programs.names():
        programs.stop(name)
    programs.end_strays()
    for mount in CACHE.glob("services-*/root/cache"):
        while mounted(mount):
            run("umount", "--lazy", mount)


def certificates() -> Path:
    """A certificate authority of the lab's own, and a certificate for the names of registries."""
    return cached("tls", " ".join(NAMES), _make_certificates)


def _make_certificates(folder: Path) -> None:
    ca, leaf = folder / "ca", folder / "leaf"
    names = ",".join(f"DNS:{name}" for name in NAMES)
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650")
    run(*new, "-subj", "/CN=gpufleet lab CA", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    signed = ("-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-addext", f"subjectAltName={names}")
    run(
        *new,
        "-subj",
        "/CN=registries",
        *signed,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        f"{leaf}.key",
        "-out",
        f"{leaf}.pem",
    )


def _make_models(folder: Path) -> None:
    for name, reply in MODELS.items():
        write(folder / name, reply)
    eye.write(folder / EYE)


def _describe(models: Path) -> None:
    """run/models.json: where each model is, its size in bytes and its sha256."""
    told = {
        name: {
            "url": f"http://{GATEWAY}:8081/{name}",
            "bytes": (models / name).stat().st_size,
            "sha256": hashlib.sha256((models / name).read_bytes()).hexdigest(),
        }
        for name in (*MODELS, EYE)
    }
    replace(RUN / "models.json", json.dumps(told, indent=1))
