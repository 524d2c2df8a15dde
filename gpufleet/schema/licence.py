"""Licences: a text where anybody may use what is under it, a noun where its user has to accept it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Tag

from .base import TEXT_OR_NOUN, Http, Name, Noun


class Licence(Noun):
    """One that is not for every use: the setting `accept` has to have its ``name``. ``page``: what it says."""

    name: Name
    page: Http


AnyLicence = Annotated[Annotated[str, Tag("<text>")] | Annotated[Licence, Tag("<noun>")], TEXT_OR_NOUN]
