"""Plan -> the packet filter of a host: its shared ports, for the hosts that need them alone."""

from __future__ import annotations

from hashlib import sha256

from ..schema import Plan, Share

HEAD = "# Written by gpufleet; changes here are undone at the next run.\n"


def ports(plan: Plan) -> str:
    """What `nft -f` reads; empty: nothing is shared. By the name of the second chain it is known what is in force.

    Before Docker and Podman turn such packets to containers, so that it holds whatever they and ufw do.
    """
    if not plan.fleet.shares:
        return ""
    table, rules = f"table inet {name(plan.stack)}", [_rule(plan.address, share) for share in plan.fleet.shares]
    told = "\n".join(["        iifname lo accept", *(f"        {rule}" for rule in rules)])
    chain = f"    chain shared {{\n        type filter hook prerouting priority -150; policy accept;\n{told}\n    }}"
    mark = f"    chain v{sha256(told.encode()).hexdigest()[:12]} {{\n    }}"
    return f"{HEAD}add {table}\ndelete {table}\n{table} {{\n{chain}\n{mark}\n}}\n"


def name(stack: str) -> str:
    """Of the table: one for each stack of a host."""
    return f"gpufleet_{''.join(c if c.isalnum() else '_' for c in stack)}"


def _rule(address: str, share: Share) -> str:
    return f"ip daddr {address} tcp dport {share.port} ip saddr != {{ {', '.join(share.hosts)} }} drop"
