"""A small Hugging Face Hub for tests, with faults.

`with serve(root) as hub: hub.url` in a test, or `python -m tests.hub ROOT PORT` as a process.

It serves repositories from a folder, as `publish` writes them, and any file of ``ROOT/files`` under ``/files/``.
``hub.faults.add("cut", "model.gguf", after=1000, times=1)`` spoils answers, ``hub.sent("model.gguf")`` counts bytes.
Over HTTP: POST, GET, DELETE ``/_faults`` and GET, DELETE ``/_log``, in JSON.
"""

from .faults import Fault, Faults, Kind
from .repos import publish
from .server import Hub, Request, serve

__all__ = ["Fault", "Faults", "Hub", "Kind", "Request", "publish", "serve"]
