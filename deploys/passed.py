"""Secrets that one host of a fleet makes, and that others ask it with: they reach the .env of these hosts alone."""

from __future__ import annotations

import secrets
from shlex import quote

from pydantic import SecretStr
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host

from ..schema import Plan, Secret
from .fleet import facts, of, wanted
from .given import value


def passed(host: Host, plan: Plan) -> dict[str, SecretStr]:
    """By name what .env of this host shall have: what others make, and what it makes for them and has not yet."""
    there = {h.name: h for h in host.state.active_hosts}
    theirs = {name: there[maker] for name, maker in plan.fleet.taken.items() if maker in there}
    shared = {share.service for share in plan.fleet.shares}
    mine = {s.name for w in wanted(host).services if w.name in shared for s in w.service.secrets}
    theirs |= {s.name: host for s in plan.secrets if s.name in mine and not _held(host, s.name)}
    found = {name: _value(maker, name) for name, maker in theirs.items()}
    return {name: SecretStr(text) for name, text in found.items() if text}


def _held(host: Host, name: str) -> bool:
    seen = facts(host)
    return seen is not None and name in seen.env_keys


def _value(maker: Host, name: str) -> str:
    """What stands, or shall stand, behind its `=` there: the same for all who ask in a run."""
    known = of(maker.state)
    with known.busy[maker.name]:
        if (maker.name, name) not in known.secrets:
            known.secrets[maker.name, name] = _found(maker, name)
    return known.secrets[maker.name, name]


def _found(maker: Host, name: str) -> str:
    settings = wanted(maker).settings
    if name in settings.secrets:
        return value(settings.secrets[name])
    if _held(maker, name):
        return _read(maker, f"{settings.data_root}/.env", name)
    entries = (s for w in wanted(maker).services for s in w.service.secrets)
    return next((_new(s) for s in entries if s.name == name and not s.given), "")


def _new(secret: Secret) -> str:
    return f"{secret.prefix}{secrets.token_hex(secret.bytes)}"


def _read(host: Host, file: str, name: str) -> str:
    """Not by a fact: -vvv shows what a fact prints."""
    told, _ = pop_global_arguments(host.state, host, {})
    arguments = {key: value for key, value in told.items() if key in CONNECTOR_ARGUMENT_KEYS}
    command = f"sed -n 's/^[ \\t]*{name}=//p' {quote(file)} | tail -n 1"
    done, output = host.run_shell_command(StringCommand(command), print_output=False, print_input=False, **arguments)
    return output.stdout.strip() if done else ""
