"""A stand-in for a program that the lab cannot have: it listens where the program does and answers what that answers.

Told in $STANDIN, as JSON: ``ports``, ``answers`` (HTTP status by path), ``needs`` (variables that must not be empty),
``writes`` (directories that its user must be able to write). Without these it ends at once, as the program would.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

TOLD = json.loads(os.environ["STANDIN"])


class Handler(BaseHTTPRequestHandler):
    """Every path that is not known is not found."""

    def do_GET(self) -> None:
        status = TOLD["answers"].get(urlsplit(self.path).path, 404)
        body = json.dumps({"stand-in": TOLD["name"]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def wrong() -> list[str]:
    """What the program would not start without."""
    empty = [f"{name} is not set" for name in TOLD["needs"] if not os.environ.get(name)]
    return empty + [f"{p} cannot be written" for p in TOLD["writes"] if not os.access(Path(p), os.W_OK)]


if __name__ == "__main__":
    if problems := wrong():
        sys.exit(f"stand-in for {TOLD['name']}: {'; '.join(problems)}")
    servers = [ThreadingHTTPServer(("0.0.0.0", port), Handler) for port in TOLD["ports"]]
    threads = [threading.Thread(target=s.serve_forever) for s in servers]
    for thread in threads:
        thread.start()
    print(f"stand-in for {TOLD['name']} listens at {TOLD['ports']}", flush=True)
    threads[0].join()
