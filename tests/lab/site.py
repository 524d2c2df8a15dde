"""A dashboard served by a real nginx, among stand-ins for its stack in networks of their own.

They listen at their own ports, under names that a real name server knows.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gpufleet.render import render
from gpufleet.schema import Plan

from .paths import FILES
from .running import running
from .shell import run, until
from .trees import overlay, web_tree


@dataclass
class Site:
    """What a test needs: the addresses, and what the stand-ins answer and were asked.

    ``answers``: what is answered by path, by ``NAME:PORT``; ``closed``: names of which no port is open.
    """

    plan: Plan
    folder: Path
    answers: dict[str, dict[str, Any]]
    closed: tuple[str, ...] = ()
    net: str = f"10.97.{os.getpid() % 250}"
    wire: str = f"dash{os.getpid() % 100000}w"

    @property
    def url(self) -> str:
        return f"http://{self.net}.2:8080"

    @property
    def places(self) -> dict[str, str]:
        """The address of each that has a name."""
        return {name.split(":")[0]: f"{self.net}.{20 + i}" for i, name in enumerate([*self.answers, *self.closed])}

    def answer(self, place: str, path: str, answer: Any) -> None:
        self.answers[place][path] = answer
        self.write()

    def write(self) -> None:
        told = {f"{self.places[p.split(':')[0]]}:{p.split(':')[1]}": paths for p, paths in self.answers.items()}
        (self.folder / "new").write_text(json.dumps(told))
        (self.folder / "new").rename(self.folder / "answers.json")

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", trust_env=False, timeout=20, **more)

    def plug(self, up: bool) -> None:
        """The wire to the browser's machine, at the site's end."""
        run("ip", "-n", self.wire, "link", "set", "out", "up" if up else "down")

    @property
    def asked(self) -> list[list[Any]]:
        return [json.loads(line) for line in (self.folder / "asked").read_text().splitlines()]


@contextmanager
def namespace(name: str) -> Iterator[tuple[str, ...]]:
    """A network namespace, as the words before a command."""
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield ("ip", "netns", "exec", name)
    finally:
        run("ip", "netns", "delete", name)


def wires(site: Site, web: str, stack: str) -> None:
    """The page's server between a browser's machine (.1) and the stack's network (.16/28)."""
    run("ip", "link", "add", web, "type", "veth", "peer", "name", "out", "netns", web)
    run("ip", "address", "add", f"{site.net}.1/30", "dev", web)
    run("ip", "link", "set", web, "up")
    run("ip", "-n", web, "address", "add", f"{site.net}.2/30", "dev", "out")
    run("ip", "-n", web, "link", "add", "in", "type", "veth", "peer", "name", "in", "netns", stack)
    run("ip", "-n", web, "address", "add", f"{site.net}.17/28", "dev", "in")
    for address in site.places.values():
        run("ip", "-n", stack, "address", "add", f"{address}/28", "dev", "in")
    for end, name in ((web, "out"), (web, "in"), (stack, "in")):
        run("ip", "-n", end, "link", "set", name, "up")


def release(plan: Plan, root: Path) -> None:
    """The dashboard's files where its container has them, and the name server where Docker has its own."""
    files = render(plan).files
    for output in (o for o in plan.outputs if o.service == "dashboard"):
        target = root / output.target.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files[output.path])
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.11\n")


def inside(root: Path, user: str = "", output: str = "") -> tuple[str, ...]:
    """The words before a command in a root file system. The shell stays: with it end all, whatever user they became."""
    mounts = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev"
    return "unshare", "-mpf", "--kill-child", "sh", "-c", f'{mounts} && chroot {user} {root} "$@" {output}', "sh"


def names(site: Site, root: Path, web: tuple[str, ...]) -> Any:
    """The name server, which as Docker's knows those that run."""
    loader = (root / "lib64/ld-linux-x86-64.so.2", "--library-path", root / "usr/lib/x86_64-linux-gnu")
    server = (root / "usr/sbin/dnsmasq", "-k", "--no-hosts", "--no-resolv", "--conf-file=/dev/null", "--local=/#/")
    listen = ("--listen-address=127.0.0.11", "--bind-interfaces", "--user=root", "--pid-file=")
    known = [f"--host-record={name},{address}" for name, address in site.places.items()]
    return running(*web, *loader, *server, *listen, *known, cwd=site.folder)


def nginx(site: Site, root: Path, web: tuple[str, ...]) -> Any:
    """nginx as the catalog starts it, and as its user."""
    service = next(s for s in site.plan.services if s.name == "dashboard")
    program = [part.replace("$$", "$") for part in service.command]
    command = (*web, *inside(root, f"--userspec={service.user}", "2>/dev/null"), *program)
    return running(*command, cwd=site.folder, port=service.port, address=f"{site.net}.2")


@contextmanager
def serving(site: Site, probe: str) -> Iterator[Site]:
    """The site until the block ends, from when ``probe`` answers."""
    site.write()
    with ExitStack() as stack:
        web, others = (stack.enter_context(namespace(name)) for name in (site.wire, f"{site.wire}s"))
        wires(site, web[-1], others[-1])
        root = stack.enter_context(overlay(web_tree(), site.folder))
        release(site.plan, root)
        stack.enter_context(names(site, root, web))
        answers = (sys.executable, FILES / "answers.py", site.folder / "answers.json", site.folder / "asked")
        stack.enter_context(running(*others, *answers, cwd=site.folder))
        stack.enter_context(nginx(site, root, web))
        until("the stand-ins", lambda: site.ask("HEAD", probe).status_code == 200, 20)
        yield site
