from __future__ import annotations

import numpy as np
import pytest

from scripts.datasets.geometry import Geometry
from scripts.evaluation.grid_scores import ScoreSettings, case_counts, overlap_row, surface_row
from scripts.evaluation.units import Units

SETTINGS = ScoreSettings(("background", "organ"), 1, 255, 1.0, Units("px", "px"))


def test_counts_of_a_case_are_hits_false_alarms_and_misses() -> None:
    truth, pred = np.array([[[1, 0, 0, 255]]], np.uint8), np.array([[[1, 1, 1, 1]]], np.uint8)
    assert case_counts(pred, truth, SETTINGS).tolist() == [[0, 0, 2], [1, 2, 0]]


def test_what_is_predicted_where_the_truth_is_unknown_is_no_error() -> None:
    truth = np.zeros((6, 4, 2), np.uint8)
    truth[1:3, 1:3] = 1
    pred = truth.copy()
    truth[4:], pred[4:] = 255, 1
    row = surface_row(pred, truth, Geometry.of((6, 4, 2), None), SETTINGS)
    assert (row["hd95_px/organ"], row["surface_dice_1px/organ"], row["volume_difference_px/organ"]) == (0, 1, 0)


def test_a_case_has_dice_and_iou_of_every_class_and_their_means_over_the_scored_ones() -> None:
    row = overlap_row(np.array([[5, 2, 1], [1, 2, 2]]), SETTINGS)
    # background: 2 * 5 / (10 + 3) and 5 / 8; organ: 2 * 1 / (2 + 4) and 1 / 5
    dice = {"dice/background": 10 / 13, "dice/organ": 1 / 3, "dice/mean": 1 / 3}
    assert row == pytest.approx(dice | {"iou/background": 5 / 8, "iou/organ": 1 / 5, "iou/mean": 1 / 5})
