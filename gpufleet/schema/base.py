"""The base of every noun, and the one way from plain data to a noun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StringConstraints, ValidationError

from ..errors import Problem, Refused, choose


class Noun(BaseModel):
    """A frozen value that knows nothing it was not told and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def to_json(self) -> dict[str, Any]:
        """Plain data; pyinfra prints a fact's value with this."""
        return self.model_dump(mode="json")


SYSTEM = {f"/{name}" for name in "bin boot dev etc home lib proc root run sbin sys tmp usr var".split()}  # noqa: SIM905


def _absolute(path: str) -> str:
    if not path.startswith("/") or "/../" in f"{path}/" or path == "/":
        raise ValueError("must be an absolute path below /, without '..'")
    if path.rstrip("/") in SYSTEM:
        raise ValueError("is the system's own; choose a directory for gpufleet alone")
    return path.rstrip("/")


# By pattern what to write instead: a regular expression tells nobody what is wanted.
LIKE: dict[str, str] = {}


def like(pattern: str, fix: str) -> StringConstraints:
    """A constraint of text, and what its refusal says."""
    LIKE[pattern] = fix
    return StringConstraints(pattern=pattern)


Name = Annotated[
    str,
    like(r"^[a-z0-9][a-z0-9._-]{0,62}$", "use small letters, digits, `.`, `_` and `-`, a letter or digit first"),
]
# Data roots go into shell scripts, compose files and unit files: keep them to characters that need no quoting anywhere.
AbsolutePath = Annotated[
    str, like(r"^[A-Za-z0-9/._-]+$", "use letters, digits, `/`, `.`, `_` and `-`"), AfterValidator(_absolute)
]
Http = Annotated[str, like(r"^https?://[^\s'\"]+$", "write it like https://example.org")]
MiB = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Bytes = Annotated[int, Field(ge=0, lt=2**60, strict=True)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Sha256 = Annotated[str, like(r"^[0-9a-f]{64}$", "write the 64 small hex digits that `sha256sum` prints")]
NounT = TypeVar("NounT", bound=Noun)
# Tells a text from a noun before either is read: a wrong noun must not also be called a wrong text.
TEXT_OR_NOUN = Discriminator(lambda value: "<text>" if isinstance(value, str) else "<noun>")


# pydantic's words for what people get wrong most, in the words of YAML.
PLAIN = {
    "dict_type": "write `key: value` pairs",
    "model_type": "write `key: value` pairs",
    "model_attributes_type": "write `key: value` pairs",
    "list_type": "write a list: `[a, b]`",
    "tuple_type": "write a list: `[a, b]`",
    "too_short": "give at least one",
    "string_type": "write text, in quotes where it looks like a number",
    "bool_type": "write True or False",
    "bool_parsing": "write True or False",
}


def read(noun: type[NounT], data: Any, where: str) -> NounT:
    """``data`` as a ``noun``; raises Refused with one problem per offending key, each with its path."""
    if not isinstance(data, Mapping):
        what = "is empty" if data is None else f"is {type(data).__name__}, not a mapping"
        raise Refused(Problem(where, what, "write `key: value` pairs"))
    try:
        return noun.model_validate(data)
    except ValidationError as error:
        raise Refused(*(_problem(noun, e, where) for e in error.errors())) from None


def _problem(noun: type[Noun], error: Any, where: str) -> Problem:
    # Tags of a union, and that it is a key, are not the user's.
    loc = tuple(part for part in error["loc"] if not str(part).startswith(("<", "[key]")))
    path = "/".join([where, *map(str, loc)])
    if error["type"] == "extra_forbidden":
        known = _fields_at(noun, loc[:-1])
        return Problem(path, f"unknown key '{error['loc'][-1]}'", choose(str(error["loc"][-1]), known))
    if error["type"] == "missing":
        return Problem(path, "is missing", "add it")
    if isinstance(error["input"], str) and error["input"].startswith(("{", "[")) and error["type"] in PLAIN:
        fix = "write double quotes, true and false, and close all brackets"
        return Problem(path, "is text, and not the JSON that it looks like", fix)
    wanted = LIKE.get(error.get("ctx", {}).get("pattern")) or PLAIN.get(error["type"])
    message = wanted or error["msg"].removeprefix("Value error, ")
    # Somebody may have written the secret itself.
    shown = "what is there" if "secrets" in loc else repr(error["input"])
    what = f"{shown} is not accepted" if len(shown) <= 60 else "is not accepted"
    return Problem(path, what, message[:1].lower() + message[1:])


def _fields_at(noun: type[Noun], loc: tuple[Any, ...]) -> list[str]:
    """The keys allowed at ``loc``: follows fields down as far as their types are nouns."""
    here: type[Noun] | None = noun
    for part in loc:
        field = here.model_fields.get(str(part)) if here else None
        inner = [t for t in _types(field.annotation) if isinstance(t, type) and issubclass(t, Noun)] if field else []
        here = inner[0] if inner else here
    return list(here.model_fields) if here else []


def _types(annotation: Any) -> list[Any]:
    args = getattr(annotation, "__args__", ())
    return [annotation] if not args else [t for a in args for t in _types(a)]
