"""A plan in words."""

from __future__ import annotations

from collections import Counter

from ..schema import Plan
from . import ledger


def explain(plan: Plan) -> list[str]:
    """The plan for people: a line each. What blocks is for the caller to say, once."""
    lines = [f"{plan.host}: {plan.stack} as {plan.role}, in {plan.root}"]
    for s in plan.services:
        where = ", ".join(s.devices) or "cpu"
        lines.append(f"  {s.name:<10} {s.image}  on {where} ({s.reason})")
        lines += [f"    for {model} it unloads {', '.join(gone)}" for model, gone in s.unloads.items()]
    lines += [f"  {e.name:<10} external: {e.at}" for e in plan.externals]
    lines += [f"  image {b.image}: built of {b.source}, if it is not there" for b in plan.builds]
    for name, version in plan.provision.packages.items():
        lines.append(f"  package {name} {version}".rstrip() + ("  held" if name in plan.provision.hold else ""))
    if plan.provision.pending:
        lines.append("  the rest is planned after the reboot, when the cards are known")
    for book in plan.ledgers:
        lines += [f"  {line}" for line in ledger.text(book)]
    sizes = Counter[str]()
    for d in plan.downloads:
        sizes[d.of or d.path.rsplit("/", 1)[1]] += d.bytes
    lines += [f"  model {name}: {ledger.mib(size)} MiB" for name, size in sizes.items()]
    lines += [f"  url {name}: {url}" for name, url in plan.urls]
    return lines + [f"  {f.severity}: {f}" for f in plan.findings if f.severity != "blocks"]
