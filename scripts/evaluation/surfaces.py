"""The surface of a mask as faces of its voxels, and distances between two surfaces.

A face lies between a voxel of the object and one outside of it, or the image's border. It stands for its centre, and
weighs its area. Counting border voxels instead, as many tools do, gives the large top and bottom of thick slices the
weight of their many pixels: see docs/scores.md for what that costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.spatial import KDTree

Floats = NDArray[np.float64]

ROUNDING = 1e-9  # relative; what is equal but for rounding counts as equal


@dataclass(frozen=True)
class Surface:
    """Faces of an object's voxels.

    Args:
        points: (N, D) centres in the unit of the spacing, voxel 0 at the origin.
        areas: (N,) areas; lengths where D is 2.
    """

    points: Floats
    areas: Floats


def surface_of(mask: NDArray[Any], spacing: Sequence[float]) -> Surface:
    """Find the faces between an object and all around it.

    Args:
        mask: (X, Y) or (X, Y, Z), true inside. An axis of one voxel is no axis: a single slice has an outline alone.
        spacing: size of a voxel along each axis, > 0.

    Returns:
        The surface; no face where the mask is empty.
    """
    inside = np.asarray(mask, dtype=bool)
    axes = [axis for axis, size in enumerate(inside.shape) if size > 1]
    inside, steps = inside.squeeze(), np.asarray(spacing, dtype=np.float64)[axes]
    (box,) = find_objects(inside.view(np.uint8), max_label=1)
    if box is None:
        return Surface(np.empty((0, len(axes))), np.empty(0))
    start = np.array([extent.start for extent in box])
    points, areas = [], []
    for axis, step in enumerate(steps):
        padding = [(1, 1) if other == axis else (0, 0) for other in range(inside.ndim)]
        faces = np.argwhere(np.diff(np.pad(inside[box], padding), axis=axis)).astype(np.float64) + start
        faces[:, axis] -= 0.5
        points.append(faces * steps)
        areas.append(np.full(len(faces), np.prod(steps) / step))
    return Surface(np.concatenate(points), np.concatenate(areas))


def surface_area(mask: NDArray[Any], spacing: Sequence[float]) -> float:
    """The area of the surface of a mask, in little memory; see ``surface_of``."""
    inside = np.asarray(mask, dtype=bool)
    axes = [axis for axis, size in enumerate(inside.shape) if size > 1]
    inside, steps = inside.squeeze(), np.asarray(spacing, dtype=np.float64)[axes]
    area = 0.0
    for axis, step in enumerate(steps):
        first, last = np.take(inside, 0, axis), np.take(inside, -1, axis)
        along = np.moveaxis(inside, axis, 0)
        faces = sum(np.count_nonzero(a != b) for a, b in pairwise(along)) + first.sum() + last.sum()
        area += float(faces * np.prod(steps) / step)
    return area


def distances_to(surface: Surface, points: Floats) -> Floats:
    """Distance of every point (M, D) to the nearest face's centre."""
    distances: Floats = KDTree(surface.points).query(points)[0]
    return distances


def percentile_of_area(distances: Floats, areas: Floats, percent: float) -> float:
    """The least of the distances within which at least ``percent`` of the area lies."""
    order = np.argsort(distances)
    within = np.cumsum(areas[order])
    place = int(np.argmax(within >= within[-1] * percent / 100 * (1 - ROUNDING)))
    return float(distances[order][place])
