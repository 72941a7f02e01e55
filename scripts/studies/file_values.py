"""Checks of the values of a study file, each refused in one line."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..configuration.places import require_place
from ..errors import UserError

COMMANDS = ("studying", "planning", "reporting")
MONAI_KEYS = {*COMMANDS, "initialize", "imports"}  # what MONAI reads in a study file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LONGEST_NAME = 100  # of studies and conditions, with which folders of runs and experiments begin


def study_name(name: Any) -> str:
    """The name of a study, which is also that of its folder."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"study must name the study by letters, digits, '.', '_' and '-', got {name!r}")
    if len(name) > LONGEST_NAME:
        raise UserError(f"study must have at most {LONGEST_NAME} characters, got {len(name)}")
    return name


def one_line(value: Any, key: str) -> str:
    r"""A text for people, its line breaks taken out; nothing is an empty one.

    Raises:
        UserError: it is no text.

    >>> one_line("Which loss\nis best? ", "question"), one_line(None, "question")
    ('Which loss is best?', '')
    """
    if value is not None and not isinstance(value, str):
        raise UserError(f"{key} must be a text, got {value!r}; put it in quotes")
    return " ".join((value or "").split())


def truth(value: Any, key: str) -> bool:
    """A true or false; no word for it, each of which would count as true.

    Raises:
        UserError: it is neither.
    """
    if not isinstance(value, bool):
        raise UserError(f"{key} must be true or false, got {value!r}")
    return value


def output_place(value: Any, name: str) -> Path:
    """The folder of a study: as it is given, else of its name among the bundle's studies.

    Raises:
        UserError: it is no path, or can't be made or written.
    """
    return require_place(f"runs/studies/{name}" if value is None else path_text(value, "output_dir"))


def folder_to_keep(value: Any, key: str) -> Path | None:
    """A folder that a study writes into, absolute, or None; it is not made.

    Raises:
        UserError: it is no path, or can't be made or written.
    """
    return None if value is None else require_place(path_text(value, key), key)


def path_text(value: Any, key: str) -> str:
    """A path that a user gives.

    Raises:
        UserError: it is no text, or an empty one.
    """
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UserError(f"{key} must be a path, got {value!r}; put a name that looks like a number in quotes")
    return value


def refuse_unknown(given: Iterable[str], known: Mapping[str, Any], where: str) -> None:
    """Refuse a key that is not known, by name and with the nearest known one."""
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), list(known), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UserError(f"unknown key '{key}' of {where}: {hint}")


def one_of(value: Any, known: Iterable[str], key: str) -> str | None:
    """A value that must be one of the conditions, or None; a number or truth is the condition that is called so."""
    known = list(known)
    name = level_name(value) if isinstance(value, bool | int | float) else value
    if name is not None and name not in known:
        raise UserError(f"{key} must be one of the conditions {', '.join(known)}, got {value!r}")
    return None if name is None else str(name)


def level_name(value: Any) -> str:
    """What a level of a factor is called by its value.

    >>> level_name(1e-3), level_name(True), level_name(8)
    ('0.001', 'True', '8')
    """
    return f"{value:g}" if isinstance(value, float) else str(value)


def whole_number(value: Any, key: str, least: int, most: int) -> int:
    """A whole number between two, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UserError(f"{key} must be a whole number, {least} to {most}, got {value!r}")
    return value


def number_between(value: Any, key: str, above: float, most: float | None) -> float | None:
    """A number between two, both excluded, or None; without an upper one where that is None."""
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value <= above or (most and value >= most):
        raise UserError(
            f"{key} must be a number above {above:g}{f' and below {most:g}' if most else ''}, got {value!r}"
        )
    return float(value)
