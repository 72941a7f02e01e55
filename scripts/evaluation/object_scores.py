"""Scores of one object in one image: distances between surfaces, and volumes.

Distances are in the unit of the spacing. ``docs/scores.md`` holds the definitions for users.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .surfaces import ROUNDING, Surface, distances_to, percentile_of_area, surface_of

PERCENT = 95.0


class ObjectScores(NamedTuple):
    """How a predicted object lies to the true one; NaN in all where neither is there.

    An object that is missed (true, not predicted) or invented (predicted, not true) has the worst scores that the image
    allows: its diagonal for the distances, 0 for the surface Dice, -2 or 2 for the relative difference of volumes.

    Args:
        hd95: the greater of the two 95th percentiles (over area) of the distances from one surface to the other.
        assd: the mean (over the area of both surfaces) of the distances to the other surface.
        surface_dice: the share of the area of both surfaces that lies within the tolerance of the other.
        volume_difference: predicted minus true, in the unit of the spacing to the power of its axes.
        volume_difference_relative: the same over the mean of the two volumes, -2 to 2.
    """

    hd95: float
    assd: float
    surface_dice: float
    volume_difference: float
    volume_difference_relative: float


def score_object(
    pred: NDArray[Any], truth: NDArray[Any], spacing: Sequence[float], *, tolerance: float
) -> ObjectScores:
    """Compare two masks of one image.

    Args:
        pred: (X, Y) or (X, Y, Z), true inside the predicted object.
        truth: the true one, of the same shape.
        spacing: size of a voxel along each axis, > 0.
        tolerance: distance, >= 0 and in the unit of the spacing, up to which the surface Dice takes a face for right.

    Raises:
        ValueError: the shapes differ or do not fit the spacing, or a number is out of its range.

    Reference:
        Surface Dice and weights by area: Nikolov et al., arXiv:1809.04430. Greater of both percentiles: Maier-Hein et
        al., Metrics reloaded, doi:10.1038/s41592-023-02151-z.
    """
    if pred.shape != truth.shape or len(spacing) != pred.ndim:
        raise ValueError(f"pred, truth and spacing must agree, got {pred.shape}, {truth.shape} and {tuple(spacing)}")
    if not all(math.isfinite(step) and step > 0 for step in spacing) or not tolerance >= 0:
        raise ValueError(f"spacing must be > 0 and tolerance >= 0, got {tuple(spacing)} and {tolerance}")
    volumes = [float(np.count_nonzero(mask) * math.prod(spacing)) for mask in (pred, truth)]
    if not any(volumes):
        return ObjectScores(*[math.nan] * 5)
    difference = volumes[0] - volumes[1]
    relative = 2 * difference / sum(volumes)
    if not all(volumes):
        worst = diagonal(pred.shape, spacing)
        return ObjectScores(worst, worst, 0.0, difference, relative)
    return ObjectScores(
        *_compare(surface_of(pred, spacing), surface_of(truth, spacing), tolerance), difference, relative
    )


def diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """From corner to corner of an image, an axis of one voxel left out: no distance in it is greater."""
    return math.hypot(*[size * step for size, step in zip(shape, spacing, strict=True) if size > 1])


def _compare(pred: Surface, truth: Surface, tolerance: float) -> tuple[float, float, float]:
    """HD95, average symmetric surface distance and surface Dice."""
    sides = [
        (distances_to(truth, pred.points), pred.areas),
        (distances_to(pred, truth.points), truth.areas),
    ]
    hd95 = max(percentile_of_area(distances, areas, PERCENT) for distances, areas in sides)
    total = sum(float(areas.sum()) for _, areas in sides)
    assd = sum(float(distances @ areas) for distances, areas in sides) / total
    near = sum(float(areas[distances <= tolerance * (1 + ROUNDING)].sum()) for distances, areas in sides)
    return hd95, assd, near / total
