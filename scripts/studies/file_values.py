"""Checks of the values of a study file, each refused in one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def study_name(name: Any) -> str:
    """The name of a study, which is also that of its folder."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"study must name the study by letters, digits, '.', '_' and '-', got {name!r}")
    return name


def refuse_unknown(given: Iterable[str], known: Mapping[str, Any], where: str) -> None:
    """Refuse a key that is not known, by name and with the nearest known one."""
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), list(known), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UserError(f"unknown key '{key}' of {where}: {hint}")


def one_of(value: Any, known: Iterable[str], key: str) -> str | None:
    """A value that must be one of the conditions, or None."""
    known = list(known)
    if value is not None and value not in known:
        raise UserError(f"{key} must be one of the conditions {', '.join(known)}, got {value!r}")
    return None if value is None else str(value)


def whole_number(value: Any, key: str, least: int, most: int) -> int:
    """A whole number between two, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UserError(f"{key} must be a whole number, {least} to {most}, got {value!r}")
    return value


def number_between(value: Any, key: str, above: float, most: float | None) -> float | None:
    """A number between two, both excluded, or None; without an upper one where that is None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= above or (most and value >= most):
        raise UserError(
            f"{key} must be a number above {above:g}{f' and below {most:g}' if most else ''}, got {value!r}"
        )
    return float(value)
