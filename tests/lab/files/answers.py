"""Programs of a stack as a test wants them: `answers.py FILE LOG`. FILE is JSON, read at every request.

By ``ADDRESS:PORT`` what is answered by path: [HTTP status, text], or null for no answer at all. What was asked goes to
LOG, a line of JSON each: the place, the method, the path, the names of headers.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FILE, LOG = Path(sys.argv[1]), Path(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        place = "{}:{}".format(*self.connection.getsockname())
        with LOG.open("a") as log:
            log.write(json.dumps([place, self.command, self.path, sorted(k.lower() for k in self.headers)]) + "\n")
        answer = json.loads(FILE.read_text())[place].get(self.path, [404, ""])
        if answer is None:
            time.sleep(30)
            return
        status, text = answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Set-Cookie", "session=1")
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    for place in json.loads(FILE.read_text()):
        address, port = place.rsplit(":", 1)
        server = ThreadingHTTPServer((address, int(port)), Handler)
        threading.Thread(target=server.serve_forever).start()
