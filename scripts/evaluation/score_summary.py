"""An evaluation in few numbers: means over cases, units, and what was missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .case_scores import ORIGINAL, CaseScores
from .grid_scores import Row, ScoreSettings
from .metrics import mean_over

Counts = NDArray[np.int64]


def summarize(cases: CaseScores, counts: Counts, rows: Sequence[Row], overlap: Row) -> dict[str, Any]:
    """What ``summary.json`` holds beside the part's size.

    Args:
        cases: the evaluated cases.
        counts: of every case on the grid of the slices (N, C, 3).
        rows: of every case, its scores.
        overlap: Dice and IoU over cases, images and all pixels.

    Returns:
        ``scores``: every score by its name, those that no case has left out. ``cases_without_score``: how many cases
        enter no ``dice/mean``, since neither truth nor prediction holds a scored class. ``objects``: for each scored
        class in how many cases it is true, and in how many missed, invented, or neither true nor predicted.
    """
    settings, results = cases.settings, cases.results().values()
    scores = overlap | mean_columns(rows) | cases.pooled_calibration()
    summary = {
        "distance_unit": settings.units.distance,
        "volume_unit": settings.units.volume,
        "surface_tolerance": settings.tolerance,
        "original_grid": cases.missing_originals or "scored",
        "distances": cases.without_distances or "scored",
        "cases_without_score": sum(math.isnan(row["dice/mean"]) for row in rows),
        "objects": count_objects(counts, settings),
    }
    if not cases.missing_originals:
        original = np.stack([result.original_counts for result in results if result.original_counts is not None])
        summary[f"{ORIGINAL}objects"] = count_objects(original, settings)
    return summary | {"scores": {name: value for name, value in scores.items() if not math.isnan(value)}}


def mean_columns(rows: Sequence[Row]) -> Row:
    """Means over the cases that have a score; of differences of volumes their absolute values' too, as ``abs_...``."""
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name in list(columns):
        grid = ORIGINAL if name.startswith(ORIGINAL) else ""
        if name.removeprefix(ORIGINAL).startswith("volume_difference"):
            columns[f"{grid}abs_{name.removeprefix(ORIGINAL)}"] = np.abs(columns[name])
    return {name: float(mean_over(values[:, None])[0]) for name, values in columns.items()}


def count_objects(counts: Counts, settings: ScoreSettings) -> dict[str, dict[str, int]]:
    """Of counts (N, C, 3), for each scored class the cases in which it is true, missed, invented or in neither mask."""
    hits, invented, missed = np.moveaxis(counts[:, settings.first :], -1, 0)
    true, predicted = hits + missed > 0, hits + invented > 0
    kinds = {
        "true": true,
        "missed": true & ~predicted,
        "invented": predicted & ~true,
        "in neither mask": ~true & ~predicted,
    }
    return {
        label: {kind: int(found[:, c].sum()) for kind, found in kinds.items()}
        for c, label in enumerate(settings.scored)
    }


def tracked_scores(scores: Row) -> Row:
    """What goes to MLflow: all of Dice and IoU, and the means of everything else, for pages that can still be read."""
    return {
        name: value
        for name, value in scores.items()
        if name.split("/")[0].split("_")[0] in ("dice", "iou") or name.endswith("/mean")
    }
