"""What a mask measures, and what a person should look at in it. Nothing is hidden or changed by a flag."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from monai.transforms.transform import Transform
from numpy.typing import NDArray

from ..evaluation.surfaces import surface_area
from ..formats.volume import Volume
from ..palette import has_background
from .restoring import box_of, components

_TOLERANCE = 0.1  # of the training's range, beyond which a share counts as outside


class Describe(Transform):  # type: ignore[misc]  # MONAI has no types
    """Measure the objects of a mask and flag what is unusual.

    Args:
        labels: class names, index = class value.
        training_shares: for a class, the least and greatest share of an image's voxels in the training's cases; empty
            where they are unknown.
        min_confidence: a mean probability of an object's voxels below it is flagged, 0 to 1.
    """

    def __init__(
        self,
        labels: Sequence[str],
        training_shares: Mapping[str, Sequence[float]] | None = None,
        min_confidence: float = 0.75,
    ) -> None:
        self.labels = list(labels)
        self.training_shares = dict(training_shares or {})
        self.min_confidence = min_confidence

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add ``classes``, a row for each foreground class, and ``flags``, sentences, to ``result``."""
        mask, result = data["pred"], data["result"]
        rows = measure(mask, data["volume"], self.labels, result["confidence"])
        flags = [*self._flags(mask, rows, data["volume"].affine is not None, data["grid"].seen), *data["volume"].notes]
        return {**data, "result": {**result, "classes": rows, "flags": flags}}

    def _flags(
        self, mask: NDArray[np.uint8], rows: Sequence[Mapping[str, Any]], in_space: bool, seen: tuple[slice, slice]
    ) -> list[str]:
        if not any(row["voxels"] for row in rows):
            return ["no foreground"]
        objects = has_background(self.labels)  # a street's sky is in several parts and at the border, as it should be
        return [flag for row in rows if row["voxels"] for flag in self._of_class(mask, row, objects, in_space, seen)]

    def _of_class(
        self, mask: NDArray[np.uint8], row: Mapping[str, Any], objects: bool, in_space: bool, seen: tuple[slice, slice]
    ) -> list[str]:
        name, flags = row["class"], []
        if objects and row["components"] > 1:
            flags.append(f"{name} is in {row['components']} parts")
        part = mask[seen]
        if objects and (borders := touched_borders(part == self.labels.index(name), in_space)):
            owner = "image" if part.shape == mask.shape else "part that the network saw"
            flags.append(f"{name} touches the {' and '.join(borders)} of the {owner}")
        if row["confidence"] < self.min_confidence:
            flags.append(f"{name} has a mean probability of {row['confidence']:.2f}")
        if name in self.training_shares:
            low, high = self.training_shares[name]
            share = row["voxels"] / mask.size
            if not low * (1 - _TOLERANCE) <= share <= high * (1 + _TOLERANCE):
                flags.append(f"{name} is {share:.2%} of the image, {low:.2%} to {high:.2%} in the training")
        return flags


def measure(
    mask: NDArray[np.uint8], volume: Volume, labels: Sequence[str], confidence: Sequence[float]
) -> list[dict[str, Any]]:
    """Measure each foreground class of a mask.

    Args:
        mask: (X, Y, Z), class indices.
        volume: the image, for its spacing.
        labels: class names; a class 0 called background is left out.
        confidence: of each class, the mean probability of its voxels.

    Returns:
        For each class its name as ``class``, ``voxels``, ``volume_ml`` and ``surface_mm2`` (NaN where the spacing is
        unknown; of one plane the surface is NaN), ``components`` and ``confidence``.
    """
    spacing = volume.spacing if volume.spacing is not None and len(volume.spacing) == 3 else None
    rows = []
    for value in range(int(has_background(labels)), len(labels)):
        inside = mask == value
        voxels, measured = int(inside.sum()), {"volume_ml": math.nan, "surface_mm2": math.nan}
        if spacing is not None:
            measured["volume_ml"] = voxels * math.prod(spacing) / 1000
            if min(mask.shape) > 1:
                measured["surface_mm2"] = surface_area(inside, spacing)
        counted = components(inside[box_of(inside)])[1] if voxels else 0
        row = {"class": labels[value], "voxels": voxels, **measured, "components": counted}
        rows.append({**row, "confidence": float(confidence[value])})
    return rows


def touched_borders(inside: NDArray[np.bool_], in_space: bool) -> list[str]:
    """Which borders an object touches, in plane and, where planes are no moments of a clip, at either end of the stack.

    Args:
        inside: (X, Y, Z), true inside the object.
        in_space: whether the image lies in space.
    """
    planes = np.asarray(inside.any(axis=2))
    in_plane = any(edge.any() for edge in (planes[:1], planes[-1:], planes[:, :1], planes[:, -1:]))
    ends = in_space and inside.shape[2] > 1 and (inside[..., 0].any() or inside[..., -1].any())
    return ["border"] * bool(in_plane) + ["first or last slice"] * bool(ends)
