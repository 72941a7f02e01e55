"""What a page of the report is put together from; the template draws each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .tables import Table


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Caution:
    """A paragraph that must not be overlooked."""

    text: str
    kind: ClassVar[str] = "caution"


@dataclass(frozen=True)
class Points:
    """A list."""

    items: Sequence[str]
    kind: ClassVar[str] = "points"


@dataclass(frozen=True)
class Picture:
    """A drawing (SVG) with its title and how to read it."""

    svg: str
    title: str
    caption: str
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Photo:
    """An image of a case, as a data URI."""

    data: str
    alt: str
    caption: str
    kind: ClassVar[str] = "photo"


@dataclass(frozen=True)
class Numbers:
    """A table; a folded one is opened by a click and on paper."""

    table: Table
    folded: bool = False
    kind: ClassVar[str] = "numbers"


@dataclass(frozen=True)
class Code:
    """A command or a text to be copied, under its title; a folded one is opened by a click and left out on paper."""

    title: str
    code: str
    folded: bool = False
    kind: ClassVar[str] = "code"


Block = Text | Caution | Points | Picture | Photo | Numbers | Code


@dataclass(frozen=True)
class Section:
    """A part of the report under its heading."""

    key: str
    title: str
    blocks: Sequence[Block]
