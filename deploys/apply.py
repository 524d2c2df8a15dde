"""What `gpufleet apply` runs: as site, with a journal.

`pyinfra -y INVENTORY gpufleet.deploys.apply journal=FILE`
"""

from __future__ import annotations

from pyinfra.api.deploy import deploy
from pyinfra.context import host

from . import journal as journals
from .site import converge


@deploy("gpufleet")
def apply(journal: str) -> None:
    """Converge this host, and tell in the file ``journal`` what was to be done, and what was."""
    journals.begin(host.state, journal)
    converge()
