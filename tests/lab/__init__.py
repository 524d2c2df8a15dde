"""The lab: real hosts (systemd, sshd, dockerd, compose) on one machine, and what they need instead of the internet.

Fake in it is GPU hardware only, where a host's profile asks for it: device nodes, a sysfs tree, and an `nvidia-smi`
that replays a capture. `python -m tests.lab` is the same by hand.
"""

from .lab import HostInfo, Lab
from .shell import LabError

__all__ = ["HostInfo", "Lab", "LabError"]
