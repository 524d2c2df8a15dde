"""The Hub as a process: `python -m tests.hub ROOT PORT`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from .server import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="hub", description=__doc__)
    parser.add_argument("root", type=Path, metavar="ROOT", help="the folder of repositories")
    parser.add_argument("port", type=int, metavar="PORT", help="0 takes a free one")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default: %(default)s)")
    args = parser.parse_args()
    # Who starts it in the background of a shell has it ignore SIGINT.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with serve(args.root, args.address, args.port) as hub:
            print(f"hub: {args.root} at {hub.url}", flush=True)
            threading.Event().wait()
    except OSError as error:
        print(
            f"hub: {args.address}:{args.port}: {error.strerror}; name an address and a port that are free",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
