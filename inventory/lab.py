"""The lab's hosts (`make lab-up`): those with a fake card are single_gpu, or dual_gpu by name, the others cpu.

Those of `make lab-stack` have the settings of their stack. GPUFLEET_LAB_HOSTS names the only ones that there shall be:
hosts of other work at the same time would be of the same fleet."""

import json
import os
import re
from pathlib import Path

_lab = Path(os.environ.get("GPUFLEET_LAB", "/var/lib/gpufleet-lab")) / "run"
_hosts = json.loads((_lab / "hosts.json").read_text())
_only = os.environ.get("GPUFLEET_LAB_HOSTS", "").split()
_stacks = json.loads((_lab / "stacks.json").read_text()) if (_lab / "stacks.json").exists() else {}
_models = json.loads((_lab / "models.json").read_text())
_tiny = {
    "file": "lab-tiny.gguf",
    **_models["lab-tiny.gguf"],
    "architecture": {"layers": 2, "kv_heads": 2, "head_dim": 96, "context": 2048},
}


_settings = {
    "models": {"chat": _tiny},
    "options": {"llama": {"context": 2048}},
    "bind": "0.0.0.0",
    "mirrors": {"pypi": _hosts["pypi"]},
}
_ssh = {"ssh_user": "root", "ssh_key": _hosts["ssh_key"], "ssh_known_hosts_file": str(_lab / "known_hosts")}
_ssh["ssh_paramiko_connect_kwargs"] = {"banner_timeout": 60, "auth_timeout": 60}  # many hosts share one machine


def _role(name, host):
    if name in _stacks:
        return _stacks[name]["x_role"]
    if re.split("[@+]", host["profile"])[0] == "cpu":  # PROFILE[@SUITE][+ENGINE]
        return "cpu"
    return "dual_gpu" if name.startswith("dual") else "single_gpu"


def _hosts_of(wanted):
    hosts = {name: h for name, h in sorted(_hosts["hosts"].items()) if wanted(name, h) and (not _only or name in _only)}
    return [(name, {**_ssh, **_stacks.get(name, _settings), "ssh_hostname": h["address"]}) for name, h in hosts.items()]


cpu, single_gpu, dual_gpu = (
    _hosts_of(lambda name, h, role=role: _role(name, h) == role) for role in ("cpu", "single_gpu", "dual_gpu")
)
head, worker, monitor, cache = (
    _hosts_of(lambda name, h, part=part: part in _stacks.get(name, {}).get("x_parts", ()))
    for part in ("head", "worker", "monitor", "cache")
)
