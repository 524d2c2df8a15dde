"""A real Chromium, driven by the W3C's WebDriver (https://www.w3.org/TR/webdriver2/), which is HTTP and JSON."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from .running import free_port, running
from .trees import web_tree
from .wheels import axe

# In a chroot of root's there is no other sandbox to be had.
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# The rules of WCAG 2.2 up to AA, and some good manners beside them.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CHECK = "const [rules, done] = arguments; axe.run(document, {runOnly: rules}).then(done)"


class Browser:
    """One window of a browser."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _post(self, path: str, **body: object) -> Any:
        answer = self._client.post(path, json=body).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, url: str) -> None:
        self._post("url", url=url)

    def size(self, width: int, height: int) -> None:
        self._post("window/rect", width=width, height=height)

    def run(self, script: str, *args: object) -> Any:
        """What a script returns in the page."""
        return self._post("execute/sync", script=script, args=args)

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def tab(self) -> str:
        """Press the tabulator; the words of what has the focus then."""
        keys = [{"type": "keyDown", "value": "\ue004"}, {"type": "keyUp", "value": "\ue004"}]
        self._post("actions", actions=[{"type": "key", "id": "keys", "actions": keys}])
        return str(self.run("return document.activeElement.innerText"))

    def barriers(self) -> dict[str, Any]:
        """What axe-core finds against accessibility: by rule the pieces of the page."""
        self.run(f"{axe()}\nwindow.axe = axe;")
        found = self._post("execute/async", script=CHECK, args=[RULES])
        return {v["id"]: [(n["html"], n["failureSummary"]) for n in v["nodes"]] for v in found["violations"]}

    def shot(self, path: Path) -> None:
        """The window as a PNG."""
        path.write_bytes(base64.b64decode(self._client.get("screenshot").json()["value"]))


@contextmanager
def browser(folder: Path, hosts: dict[str, str]) -> Iterator[Browser]:
    """A browser until the block ends; ``hosts``: addresses by name."""
    root, port = web_tree(), free_port()
    rules = ",".join(f"MAP {name} {address}" for name, address in hosts.items())
    # Nothing of it stays: its profile goes with the namespace.
    setup = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && mount -t tmpfs tmpfs {root}/tmp"
    command = f"{setup} && exec chroot {root} chromedriver --port={port}"
    with (
        running("unshare", "-mpf", "--kill-child", "sh", "-c", command, cwd=folder, port=port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
    ):
        options = {"args": [*ARGUMENTS, f"--host-resolver-rules={rules}"]}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        answer = client.post("/session", json=wanted).json()["value"]
        assert "sessionId" in answer, answer
        client.base_url = client.base_url.join(f"/session/{answer['sessionId']}/")
        yield Browser(client)
