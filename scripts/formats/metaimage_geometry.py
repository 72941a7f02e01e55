"""The geometry that a MetaImage header states, in up to three words for each thing, which must agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .limits import MAX_OFFSET_MM, MAX_SPACING_MM, MIN_SPACING_MM

_ORIGINS = ("Offset", "Position", "Origin")
_DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
_TOLERANCE = 1e-3  # headers are often written with few digits


def check_geometry(path: Path, numbers: dict[str, list[float]]) -> None:
    """Refuse spacing, origin and direction that are none, or that two keys state differently.

    Args:
        path: the header, for messages.
        numbers: the keys of the header's geometry with their finite numbers; ElementSpacing is among them.

    Raises:
        ValueError: names the keys.
    """
    given = {key: np.array(values) for key, values in numbers.items()}
    _check_spacing(path, given)
    for key in _ORIGINS:
        if key in given and np.abs(given[key]).max() > MAX_OFFSET_MM:
            raise UserError(
                f": {key} must be within {MAX_OFFSET_MM:g} mm, got {_join(given[key])}; correct it", path=path
            )
    for key in _DIRECTIONS:
        if key in given:
            size = round(len(given[key]) ** 0.5)
            matrix = given[key].reshape(size, size)
            if not np.allclose(matrix @ matrix.T, np.eye(size), atol=_TOLERANCE):
                raise UserError(f": the axes of {key} must be of length 1 at right angles; correct it", path=path)
    for keys in (_ORIGINS, _DIRECTIONS, ("ElementSpacing", "ElementSize")):
        _refuse_difference(path, {key: given[key] for key in keys if key in given})


def _check_spacing(path: Path, given: dict[str, NDArray[np.float64]]) -> None:
    spacing = given["ElementSpacing"]
    if spacing.min() <= 0:
        raise UserError(f": ElementSpacing must be > 0, got {_join(spacing)}; correct it", path=path)
    if spacing.min() < MIN_SPACING_MM or spacing.max() > MAX_SPACING_MM:
        raise UserError(
            f": ElementSpacing must be {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm, got {_join(spacing)}; correct it",
            path=path,
        )


def _refuse_difference(path: Path, given: dict[str, NDArray[np.float64]]) -> None:
    for key, values in given.items():
        first = next(iter(given))
        if not np.allclose(
            values, given[first], rtol=_TOLERANCE, atol=0.0 if "ElementSpacing" in given else _TOLERANCE
        ):
            raise UserError(
                f": {first} is {_join(given[first])} and {key} is {_join(values)}, which mean the same; "
                "leave the right one",
                path=path,
            )


def _join(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.6g}" for value in values)
