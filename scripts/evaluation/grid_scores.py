"""Scores of a whole case on one grid: overlap, distances and volumes of every class, by the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..datasets.geometry import Geometry
from .metrics import dice_and_iou, mean_over, overlap_counts
from .object_scores import score_object
from .units import Units

Row = dict[str, float]


@dataclass(frozen=True)
class ScoreSettings:
    """What all cases are scored by.

    Args:
        labels: class names, index = class value.
        first: the first scored class, 1 where class 0 is background.
        ignore_index: label whose voxels belong to no object, true or predicted.
        tolerance: of the surface Dice, in the unit of distance.
        units: of the table.
    """

    labels: tuple[str, ...]
    first: int
    ignore_index: int | None
    tolerance: float
    units: Units

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of the scored classes."""
        return self.labels[self.first :]

    def with_mean(self, measure: str, values: Sequence[float]) -> Row:
        """Columns of one measure, a value for every class or every scored class, and its mean over scored classes."""
        names = self.labels if len(values) == len(self.labels) else self.scored
        row = {f"{measure}/{label}": float(value) for label, value in zip(names, values, strict=True)}
        scored = np.asarray(values, dtype=np.float64)[-len(self.scored) :]
        return row | {f"{measure}/mean": float(mean_over(scored[:, None])[0])}


def case_counts(pred: NDArray[Any], truth: NDArray[Any], settings: ScoreSettings) -> NDArray[np.int64]:
    """True positives, false positives and false negatives (C, 3) of a case."""
    said, true = (torch.from_numpy(np.ascontiguousarray(mask)) for mask in (pred, truth))
    return np.asarray(overlap_counts(said, true, len(settings.labels), settings.ignore_index))


def overlap_row(counts: NDArray[np.int64], settings: ScoreSettings) -> Row:
    """Dice and IoU of a case from its counts (C, 3)."""
    dice, iou = dice_and_iou(counts)
    return settings.with_mean("dice", dice.tolist()) | settings.with_mean("iou", iou.tolist())


def surface_row(pred: NDArray[Any], truth: NDArray[Any], geometry: Geometry, settings: ScoreSettings) -> Row:
    """Distances and volumes of every scored class of a case.

    Args:
        pred: predicted class indices (X, Y, Z).
        truth: true class indices or the ignored value (X, Y, Z).
        geometry: of this grid.
        settings: what all cases are scored by.
    """
    units = settings.units
    spacing = units.spacing(geometry)
    voxel = units.volume_of_voxel(geometry) / float(np.prod(spacing))
    kept = np.ones(truth.shape, dtype=bool) if settings.ignore_index is None else truth != settings.ignore_index
    scores = [
        score_object((pred == c) & kept, (truth == c) & kept, spacing, tolerance=settings.tolerance)
        for c in range(settings.first, len(settings.labels))
    ]
    return (
        settings.with_mean(f"hd95_{units.distance}", [score.hd95 for score in scores])
        | settings.with_mean(f"assd_{units.distance}", [score.assd for score in scores])
        | settings.with_mean(surface_dice_name(settings), [score.surface_dice for score in scores])
        | _by_class(f"volume_difference_{units.volume}", settings, [s.volume_difference * voxel for s in scores])
        | _by_class("volume_difference_relative", settings, [s.volume_difference_relative for s in scores])
    )


def surface_dice_name(settings: ScoreSettings) -> str:
    """The tolerance is part of the name: values of two tolerances can't be compared."""
    return f"surface_dice_{settings.tolerance:g}{settings.units.distance}"


def _by_class(measure: str, settings: ScoreSettings, values: Sequence[float]) -> Row:
    """Without a mean over classes, in which too much of one and too little of another would cancel."""
    return {f"{measure}/{label}": value for label, value in zip(settings.scored, values, strict=True)}
