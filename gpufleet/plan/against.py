"""What speaks against a placement: memory that is not there, cards that are not, drivers that are too old."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..schema import Finding, HostFacts, Ledger
from .cards import Slot
from .finding import block, either, inform, warn
from .ledger import asked, rows
from .place import Place, Placed
from .versions import version
from .wanted import Wanted

# Within a major version any driver of it runs an image of it; the first driver of each.
FIRST_DRIVER = {11: 450, 12: 525, 13: 580}


def against(wanted: Wanted, facts: HostFacts, placed: Placed) -> tuple[Finding, ...]:
    """Findings of memory, cards and drivers."""
    return (
        *(_over(wanted, book) for book in placed.ledgers if book.over_mib),
        *_unplaced(placed),
        *_few(wanted, placed.slots),
        *(_no_card(wanted, facts, placed) if not placed.unplaced else ()),
        *_tight(wanted, facts, placed),
        *_role(wanted, placed.slots),
        *_away(wanted),
        *_old_drivers(wanted, placed.places),
    )


def _over(wanted: Wanted, book: Ledger) -> Finding:
    """A memory of which more is asked than there is."""
    reserve = "reserve_ram_mib" if book.device == "ram" else "reserve_vram_mib"
    if book.reserve_mib >= book.capacity_mib:
        what = f"{reserve} = {book.reserve_mib} leaves nothing of the {book.capacity_mib} MiB of {book.name}"
        return block("PLAN-FIT", f"ledger/{book.device}", what, "set it to less")
    detail = " + ".join(f"{text} {mib}" for _, text, mib in rows(book))
    ways = either([*_ways(wanted, book), f"a smaller {reserve}"])
    return block("PLAN-FIT", f"ledger/{book.device}", f"{asked(book)} ({detail})", f"choose {ways}")


def _ways(wanted: Wanted, book: Ledger) -> Iterable[str]:
    """What would make that less which is asked of a memory."""
    lines = [*book.lines, *(line for turns in book.turns for some in turns.each for line in some)]
    if wanted.below:
        yield f"tier = '{wanted.below}'"
    for kind, way in (("weights", "a smaller model"), ("KV cache", "a smaller options/context")):
        if any(line.what.startswith(kind) for line in lines):
            yield way
    waited_for = {name for s in wanted.services for name in s.entry.depends_on}
    may_go = [line.service for line in reversed(lines) if line.service not in waited_for]
    if may_go and len(wanted.services) > 1:
        most = max(may_go, key=lambda name: sum(line.mib for line in lines if line.service == name))
        yield f"fewer services (services = {{'{most}': False}})"


def _unplaced(placed: Placed) -> Iterable[Finding]:
    there = ", ".join(f"{s.number}: {s.name} {s.id}" for s in placed.slots)
    for name, (why, fix) in placed.unplaced.items():
        yield block("PLAN-CARD", f"services/{name}", f"{why}; the host has {there}", f"{fix}, or choose another role")


def _few(wanted: Wanted, have: Sequence[Slot]) -> Iterable[Finding]:
    if wanted.role == "dual_gpu" and len(have) == 1:
        what = f"the role dual_gpu needs two cards, this host has one: {have[0].name} {have[0].id}"
        yield block("GPU-FEW", "gpus", what, "put the host in the group single_gpu")


def _no_card(wanted: Wanted, facts: HostFacts, placed: Placed) -> Iterable[Finding]:
    places = placed.places
    required = [s.name for s in wanted.services if s.service.gpu == "required" and not places[s.name].cards]
    given_away = wanted.externals and all(s.service.gpu == "none" for s in wanted.services)
    if not required and (wanted.role == "cpu" or given_away or any(p.cards for p in places.values())):
        return
    names = " and ".join(required)
    other = f"leave {names} out" if required else "put the host in the group cpu"
    if wanted.role == "cpu":
        fix = f"{other}, or put the host in the group of another role"
        yield block("PLAN-CARD", "inventory", f"the role is cpu, and {names} must have a card", fix)
    elif placed.slots:
        what = "; ".join(f"{s.id} {s.name} ({s.card.gfx_target or s.card.vendor})" for s in placed.slots)
        who = f"there is no image of {names}" if required else "no service has an image"
        yield block("GPU-NO-IMAGE", "gpus", f"{who} for {what}", f"add an image for it to the service, or {other}")
    else:
        what = f"no usable GPU for the role {wanted.role}: {_states(facts) or 'no GPU on this host'}"
        yield block("GPU-NONE", "gpus", what, f"mend the driver, or {other}")


def _tight(wanted: Wanted, facts: HostFacts, placed: Placed) -> Iterable[Finding]:
    """Cards that others use more of than a mode bears. What our own containers take is not held against it."""
    running = {c.service for c in facts.engine.containers if c.project == wanted.stack and c.state == "running"}
    for number, need in wanted.free_mib.items():
        if len(placed.slots) > 1 and number not in (slot.number for slot in placed.slots):
            says = f"{wanted.mode} wants {need} MiB free on card {number}, which is not there"
            yield warn("PLAN-TIGHT", "gpus", says, "choose another dual_gpu_mode, or correct its free_mib in the stack")
    for slot in placed.slots:
        need, free = wanted.free_mib.get(slot.number, 0), slot.card.vram_free_mib
        books = [book for book in placed.ledgers if book.device == slot.id]
        ours = sum(line.mib for book in books for line in book.lines if line.service in running)
        ours += sum(t.mib for book in books for t in book.turns if running & {x.service for e in t.each for x in e})
        if free is not None and min(free + ours, slot.mib) < need:
            says = f"{min(free + ours, slot.mib)} MiB are free on {slot.name}, {wanted.mode} wants {need}"
            fix = "end what uses it, or choose another dual_gpu_mode"
            yield warn("PLAN-TIGHT", f"gpus/{slot.id}", says, fix)


def _role(wanted: Wanted, have: Sequence[Slot]) -> Iterable[Finding]:
    """Cards that nobody uses, where the stack has something for them."""
    if wanted.role == "single_gpu" and "dual_gpu" in wanted.roles and len(have) > 1:
        fix = "put the host in the group dual_gpu, if all may be used"
        yield inform("PLAN-ROLE", "gpus", f"one of {len(have)} is used", fix)


def _away(wanted: Wanted) -> Iterable[Finding]:
    """Services that the user asks for, and that another role or mode has; of a fleet other hosts run them."""
    for name, why in wanted.left_out.items() if wanted.whole else ():
        if wanted.settings.services.get(name):
            fix = "leave it out of `services`, if it is not meant for other hosts"
            yield inform("PLAN-SERVICE", f"services/{name}", f"it is asked for, and does not run here: {why}", fix)


def _old_drivers(wanted: Wanted, places: Mapping[str, Place]) -> Iterable[Finding]:
    """Images that are built with a newer CUDA than the card's driver knows."""
    for service in wanted.services if wanted.settings.driver != "ignore" else ():
        need, built = version(service.service.cuda or "")[:1], service.service.cuda
        for card in places[service.name].cards:
            have = version(card.cuda_version or "")[:1]
            if card.vendor == "nvidia" and have and need > have:
                says = f"its image needs CUDA {built}, driver {card.driver_version} has {card.cuda_version}"
                fix = f"install driver {FIRST_DRIVER.get(need[0], 'of that version')} or newer, or use an older image"
                yield block("GPU-DRIVER-OLD", f"services/{service.name}", says, fix)


def _states(facts: HostFacts) -> str:
    """What is wrong with the host's cards, or what is known of them."""
    said = {p.card: f"{p.code} ({p.evidence})" for p in facts.gpus.problems}
    rows = [f"{c.identity or c.vendor} {c.name or c.pci_id}: {said.pop(c.identity, c.why)}" for c in facts.gpus.cards]
    told = "; ".join(rows)
    return "; ".join(
        [told, *(f"{p.code} ({p.evidence})" for p in facts.gpus.problems if p.evidence not in told)]
    ).strip("; ")
