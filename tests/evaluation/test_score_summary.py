from __future__ import annotations

import math

import numpy as np
import pytest

from scripts.evaluation.grid_scores import ScoreSettings
from scripts.evaluation.score_summary import count_objects, mean_columns, tracked_scores
from scripts.evaluation.units import Units

SETTINGS = ScoreSettings(("background", "gland", "tumour"), 1, None, 2.0, Units("mm", "ml"))


def test_means_are_over_the_cases_that_have_a_score_and_volumes_have_an_absolute_mean_on_each_grid() -> None:
    one = {"dice/gland": 0.5, "volume_difference_ml/gland": -3.0, "original/volume_difference_ml/gland": -1.0}
    two = {"dice/gland": math.nan, "volume_difference_ml/gland": 1.0, "original/volume_difference_ml/gland": 2.0}
    assert mean_columns([one, two]) == {
        "dice/gland": 0.5,
        "volume_difference_ml/gland": -1.0,
        "original/volume_difference_ml/gland": 0.5,
        "abs_volume_difference_ml/gland": 2.0,
        "original/abs_volume_difference_ml/gland": 1.5,
    }


def test_an_object_of_one_voxel_is_an_object() -> None:
    background = [90, 0, 0]
    hit, missed, invented, neither = [1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]
    counts = np.array([[background, hit, missed], [background, invented, neither], [background, hit, invented]])
    assert count_objects(counts, SETTINGS) == {
        "gland": {"true": 2, "missed": 0, "invented": 1, "in neither mask": 0},
        "tumour": {"true": 1, "missed": 1, "invented": 1, "in neither mask": 1},
    }


def test_an_object_that_is_found_in_part_is_neither_missed_nor_invented() -> None:
    counts = np.array([[[90, 0, 0], [0, 2, 3], [1, 2, 3]]])  # gland: truth and prediction do not touch
    empty = {"missed": 0, "invented": 0, "in neither mask": 0}
    assert count_objects(counts, SETTINGS) == {"gland": {"true": 1, **empty}, "tumour": {"true": 1, **empty}}


@pytest.mark.parametrize(
    ("name", "tracked"),
    [
        ("dice/gland", True),
        ("iou/gland", True),
        ("dice_per_image/gland", True),
        ("hd95_mm/mean", True),
        ("hd95_mm/gland", False),
        ("original/dice/gland", False),
        ("surface_dice_2mm/gland", False),
        ("volume_difference_ml/gland", False),
    ],
)
def test_mlflow_gets_all_of_dice_and_iou_and_the_means_of_everything_else(name: str, tracked: bool) -> None:
    assert tracked_scores({name: 0.5}) == ({name: 0.5} if tracked else {})
