"""The scores of an object written one voxel at a time, from the definitions alone."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np


def longhand_scores(pred: Any, truth: Any, spacing: Any, tolerance: float) -> tuple[float, ...]:
    """HD95, ASSD, surface Dice, difference of volumes, relative difference; nothing but loops and sums."""
    volume = [sum(1 for _ in zip(*np.nonzero(mask), strict=True)) * math.prod(spacing) for mask in (pred, truth)]
    if volume == [0, 0]:
        return (math.nan,) * 5
    difference = volume[0] - volume[1]
    relative = difference / ((volume[0] + volume[1]) / 2)
    if 0 in volume:
        longest = math.sqrt(sum((n * s) ** 2 for n, s in zip(pred.shape, spacing, strict=True) if n > 1))
        return longest, longest, 0.0, difference, relative
    a, b = _faces(pred, spacing), _faces(truth, spacing)
    ab, ba = _nearest(a, b), _nearest(b, a)
    both = ab + ba
    area = sum(weight for _, weight in both)
    near = sum(weight for distance, weight in both if round(distance, 9) <= tolerance)
    mean = sum(distance * weight for distance, weight in both) / area
    return max(_percentile(ab), _percentile(ba)), mean, near / area, difference, relative


def _faces(mask: Any, spacing: Any) -> list[tuple[tuple[float, ...], float]]:
    """Centre and area of every face with the object on one side only."""
    voxels = set(zip(*(axis.tolist() for axis in np.nonzero(mask)), strict=True))
    axes = [axis for axis, size in enumerate(mask.shape) if size > 1]
    found = []
    for voxel, axis, side in itertools.product(sorted(voxels), axes, (-1, 1)):
        neighbour = tuple(v + side * (i == axis) for i, v in enumerate(voxel))
        if neighbour not in voxels:
            centre = tuple((v + side / 2 * (i == axis)) * spacing[i] for i, v in enumerate(voxel))
            found.append((centre, math.prod(spacing[i] for i in axes if i != axis)))
    return found


def _nearest(these: Any, those: Any) -> list[tuple[float, float]]:
    ours, others = (np.array([centre for centre, _ in faces]) for faces in (these, those))
    all_pairs = np.sqrt(((ours[:, None] - others[None]) ** 2).sum(2))
    return list(zip(all_pairs.min(1).tolist(), (weight for _, weight in these), strict=True))


def _percentile(distances: list[tuple[float, float]]) -> float:
    """By exact fractions: the first distance at which 95 % of the area is reached."""
    wanted = sum(Fraction(weight) for _, weight in distances) * Fraction(95, 100)
    reached = Fraction(0)
    for distance, weight in sorted(distances):
        reached += Fraction(weight)
        if reached >= wanted:
            return distance
    raise AssertionError
