"""Small words: numbers of things, lists, and names cut to fit a figure."""

from __future__ import annotations

from collections.abc import Sequence

from ..terms import plural


def short(name: str, length: int = 20) -> str:
    """A name cut to fit a figure; tables have it whole."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def count(number: int, thing: str) -> str:
    """E.g. "1 patient", "3 patients"."""
    return f"{number:,} {thing if number == 1 else plural(thing)}"


def listed(names: Sequence[str], joint: str = "and") -> str:
    """E.g. "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {joint} {names[-1]}"
