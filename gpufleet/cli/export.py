"""`gpufleet export`: a stack for other machinery than hosts."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from ..errors import Problem, Refused
from ..plan import plan, want
from ..plan.node import described
from ..render.helm import HEAD, chart, notes
from ..schema import Accelerator, Plan
from . import options
from .codes import CODES, USAGE

FETCH = Path(__file__).parent.parent / "render" / "helm" / "fetch.sh"
MIB = click.IntRange(1, 2**31 - 1)


@click.group()
def export() -> None:
    """A stack for other machinery than hosts."""


@export.command()
@click.argument("stack")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="chart", show_default=True, help="Its folder.")
@click.option(
    "--accelerator",
    type=click.Choice(["cpu", "cuda", "rocm"]),
    default="cpu",
    show_default=True,
    help="What the nodes compute with.",
)
@click.option("--cards", type=click.IntRange(1, 64), default=1, show_default=True, help="Equal cards of a node.")
@click.option("--vram", type=MIB, default=24576, show_default=True, metavar="MIB", help="Memory of a card.")
@click.option("--ram", type=MIB, default=65536, show_default=True, metavar="MIB", help="Memory of a node.")
@click.option("--gfx", default="gfx942", show_default=True, metavar="TARGET", help="What AMD's cards compute.")
@click.option("--data", multiple=True, metavar="KEY=VALUE", callback=options.pairs, help="Settings, as in group_data.")
def helm(
    stack: str,
    output: Path,
    accelerator: Accelerator,
    cards: int,
    vram: int,
    ram: int,
    gfx: str,
    data: tuple[str, ...],
) -> int:
    """Write a Helm chart of STACK, one of the catalog or the path of a stack file.

    Context sizes and shares of memory are for nodes as described. Ends with 0, with 3 when the stack does not fit such
    a node, with 64 when the command line is wrong; then nothing is written.
    """
    role, facts = described(accelerator, cards, vram, ram, gfx)
    try:
        told = options.settings(data)
        if "secrets" in told:
            what, fix = "a chart reads nothing of this machine", "give them as values: existingSecret, or given.NAME"
            raise Refused(Problem("--data secrets", what, fix))
        planned = plan("kubernetes", want([role], {**told, "stack": stack}), facts)
        # What only its user has is asked for by the chart.
        if against := tuple(f for f in planned.blocked if f.id != "HOST-SECRET"):
            return _told(against, CODES["blocked"])
        files = chart(planned, FETCH.read_text())
    except Refused as refused:
        return _told(refused.problems, USAGE)
    try:
        _write(output, files)
    except OSError as error:
        raise _usage(f"--output: '{output}' cannot be written: {error.strerror}.") from None
    _done(planned, output)
    return 0


def _told(lines: tuple[object, ...], code: int) -> int:
    for line in lines:
        click.echo(f"gpufleet export helm: {line}", err=True)
    return code


def _usage(what: str) -> click.UsageError:
    return click.UsageError(what, click.get_current_context())


def _write(folder: Path, files: dict[str, str]) -> None:
    """A folder of ours is written anew, so that nothing of an earlier export stays; another one is left alone."""
    if not _free(folder):
        raise _usage(f"--output: '{folder}' is there, and is no chart of gpufleet; choose another folder.")
    for part in ("files", "templates", "tools"):
        shutil.rmtree(folder / part, ignore_errors=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="\n")


def _free(folder: Path) -> bool:
    about = folder / "Chart.yaml"
    if about.is_file():
        return about.read_text(encoding="utf-8", errors="replace").startswith(HEAD)
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _done(planned: Plan, folder: Path) -> None:
    for note in (*planned.findings, *notes(planned)):
        click.echo(f"to know: {note}", err=True)
    name = planned.stack
    at = folder if folder.is_absolute() else f"./{folder}"
    click.echo(f"helm upgrade --install {name} {at} --namespace {name} --create-namespace")
