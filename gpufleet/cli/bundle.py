"""`gpufleet bundle`: what hosts fetch, brought into a directory for hosts without the internet."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import Refused
from ..schema import Bundle, Piece
from . import options
from .ask import Unasked
from .codes import CODES
from .words import size

if TYPE_CHECKING:
    from .bundling.contents import Contents
    from .bundling.tree import Tree
    from .locking.needs import Hosts


@click.command()
@options.hosts
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option(
    "--arch",
    multiple=True,
    default=("amd64",),
    show_default=True,
    metavar="NAME",
    help="Of images take what is for such processors; may be repeated.",
)
def bundle(
    inventory: str, limit: tuple[str, ...], data: tuple[str, ...], directory: Path, arch: tuple[str, ...]
) -> int:
    """Write models and images of INVENTORY's hosts, as gpufleet.lock has them, to DIR, for the service `bundle`.

    No host is connected to. What DIR has is not fetched again; what is cut off is gone on with by the next run.

    Ends with 0, with 1 when something could not be fetched (the rest is written), 3 when something is not locked or a
    run would refuse a host, 64 when the command line is wrong.
    """
    # Pyinfra and the Hub's client take a second to load: other commands do without.
    from .bundling.contents import contents
    from .bundling.tree import Tree
    from .locking.needs import of_inventory, wanted

    hosts = of_inventory(inventory, data)
    try:
        whole = contents(runs for _, runs in wanted(hosts, _limited(hosts, limit, inventory)))
        tree = Tree(directory)
        with tree.alone():
            against = _brought(tree, whole, arch)
    except Refused as refused:
        return _told(refused.problems, CODES["blocked"])
    for line in whole.alone:
        click.echo(f"to know: {line}; it is not in the bundle", err=True)
    return _told(against, CODES["failed"])


def _limited(hosts: Hosts, limit: Collection[str], inventory: str) -> set[str]:
    """Names of the hosts that ``limit`` means, as pyinfra takes it: of groups, and patterns of names."""
    found = {str(h["name"]) for h in hosts} if not limit else set[str]()
    for pattern in limit:
        more = {str(h["name"]) for h in hosts if pattern in h["groups"] or fnmatch(str(h["name"]), pattern)}
        if not more:
            raise Unasked(f"--limit: no host or group of {inventory} is '{pattern}'", usage=True)
        found |= more
    return found


def _brought(tree: Tree, whole: Contents, arch: tuple[str, ...]) -> list[object]:
    """Fetch what is missing, and tell in ``bundle.json`` what is there; a line for each that could not be had."""
    from .bundling import images
    from .bundling.files import fetched
    from .bundling.wheels import wheels

    before = tree.told()
    against: list[object] = [line for source, files in whole.files.items() for line in fetched(tree, source, files)]
    asked = [images.image(tree, name, digest, mirror, arch) for name, (digest, mirror) in sorted(whole.images.items())]
    found = [one for one in asked if isinstance(one, images.Image)]
    blobs = images.Blobs(tree, found)
    wrong = blobs.bring()
    there = [one for one in found if not one.about.blobs.keys() & wrong.keys()]
    images.show(tree, there)
    against += [*images.problems([one for one in asked if isinstance(one, Refused)]), *images.problems(wrong.values())]
    packages, lacking = wheels(tree, whole.index, arch) if whole.index is not None else ({}, [])
    against += lacking
    downloads = {path: d for files in whole.files.values() for path, d in files.items()}
    whole_files = {p: Piece(bytes=d.bytes, digest=d.digest) for p, d in downloads.items() if tree.whole(p, d.bytes)}
    now = Bundle(files=whole_files, images={one.name: one.about for one in there}, wheels=packages)
    tree.tell(now)
    _say(tree.root, before, now)
    return against


def _say(root: Path, before: Bundle, now: Bundle) -> None:
    """The last line: what is there, and how much of it is new."""
    old, new = _sizes(before), _sizes(now)
    more = sum(amount for path, amount in new.items() if path not in old)
    files, wheels = sum(piece.bytes for piece in now.files.values()), sum(now.wheels.values())
    told = f"{len(now.files)} files of models ({size(files)}), {len(now.images)} images"
    told += f" ({size(sum(new.values()) - files - wheels)})"
    told += f", {len(now.wheels)} wheels ({size(wheels)})" if wheels else ""
    click.echo(f"{root}: {told}; {f'{size(more)} of it new' if more else 'nothing new'}")


def _sizes(bundle: Bundle) -> dict[str, int]:
    """By path of a file, name of a wheel, or digest of a blob."""
    blobs = {digest: amount for image in bundle.images.values() for digest, amount in image.blobs.items()}
    return {**{path: piece.bytes for path, piece in bundle.files.items()}, **bundle.wheels, **blobs}


def _told(lines: Collection[object], code: int) -> int:
    """``code``, where there is anything to tell."""
    for line in lines:
        click.echo(f"gpufleet bundle: {line}", err=True)
    return code if lines else CODES["same"]
