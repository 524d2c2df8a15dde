"""Forms: what an option of a service takes, by a name that its file gives, beside the kind of its default."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator

from ..errors import choose

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
AT = r"[\w.-]+(:[0-9]{1,5})?"

UNITS = ("y", "w", "d", "h", "m", "s", "ms")  # in this order, as Prometheus and Loki read them


class Form(NamedTuple):
    """``fix``: what a refusal says. ``pattern``: of a whole text."""

    fix: str
    pattern: str = ""
    types: tuple[type, ...] = (str,)

    def fits(self, value: Any) -> bool:
        return type(value) in self.types and (not self.pattern or bool(re.fullmatch(self.pattern, value, re.ASCII)))


FORMS = {
    "text": Form("write text in one line, in quotes where it looks like a number", r"[^\x00-\x1f\x7f]*"),
    "lines": Form("write text, in quotes where it looks like a number"),
    "word": Form("write one word of letters, digits, `.`, `_` and `-`", r"\w[\w.-]*"),
    "file": Form("write the name of a file, without a folder", r"\w[\w .+-]*"),
    "host": Form("write a host name like chat.example.org", rf"{LABEL}(\.{LABEL})*"),
    "address": Form("write it like 10.0.0.4:9100", r"[\w.-]+:[0-9]{1,5}"),
    "url": Form("write it like https://example.org", r"https?://[^\s'\"]+"),
    "origin": Form("write it like https://game.example, or *", rf"\*|https?://{AT}"),
    # Ollama's tags are no commits: with one it is a repository of the Hub.
    "model": Form("write it like llama3.2:3b", r"(?!.*:[0-9a-f]{40}$)[A-Za-z0-9][\w./:-]*"),
    "repository": Form("write it like openai/whisper-small", r"[\w.-]+/[\w.-]+"),
    "commit": Form("write OWNER/NAME:COMMIT, as Hugging Face has it", r"[\w.-]+/[\w.-]+(:[\w.-]+)?"),
    "provided": Form("write PROVIDER/MODEL, like openai/gpt-4o", r"[\w.-]+/[\w./:@-]+"),
    "duration": Form("write it like 168h, or 7d", "(?=.)" + "".join(rf"([0-9]+{unit})?" for unit in UNITS)),
    "size": Form("write it like 1024x1024", r"[1-9][0-9]*x[1-9][0-9]*"),
    "flag": Form("write true or false", types=(bool,)),
    "number": Form("write a number", types=(int, float)),
    "list": Form("write a list: `[a, b]`", types=(list,)),
}


def _known(takes: Any) -> Any:
    """A form, a list of all that may be, or keys with what each takes."""
    if isinstance(takes, dict):
        return {str(key): _known(told) for key, told in takes.items()}
    if isinstance(takes, list):
        if not takes or not all(isinstance(word, str) for word in takes):
            raise ValueError("write the words that may be, in quotes where they look like a number")
        return takes
    if not isinstance(takes, str) or takes not in FORMS:
        raise ValueError(choose(str(takes), FORMS))
    return takes


Takes = Annotated[Any, AfterValidator(_known)]
