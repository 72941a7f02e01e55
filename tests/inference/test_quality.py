"""Flags and measures on masks whose answers are known by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from scripts.datasets.slice_grid import SliceGrid
from scripts.formats.volume import Volume
from scripts.inference import Describe

LABELS = ["background", "gland", "cyst"]
WHOLE = SliceGrid((12, 12), (12, 12), (12, 12))


def described(mask: np.ndarray[Any, Any], spacing: Any = (2.0, 1.0, 5.0), **options: Any) -> dict[str, Any]:
    confidence = options.pop("confidence", [0.9, 0.9, 0.9])
    affine = options.pop("affine", np.eye(4))
    volume = Volume(np.zeros(mask.shape), affine, spacing)
    data = {"pred": mask, "volume": volume, "result": {"confidence": confidence}, "grid": options.pop("grid", WHOLE)}
    return Describe(options.pop("labels", LABELS), **options)(data)["result"]


def block(*values: tuple[int, tuple[slice, slice, slice]]) -> np.ndarray[Any, Any]:
    mask = np.zeros((12, 12, 6), dtype=np.uint8)
    for value, where in values:
        mask[where] = value
    return mask


INNER = (slice(3, 6), slice(4, 6), slice(1, 5))  # 3 x 2 x 4 voxels


def test_a_box_measures_what_a_ruler_says() -> None:
    result = described(block((1, INNER)))
    assert result["flags"] == []
    gland, cyst = result["classes"]
    assert (gland["class"], gland["voxels"], gland["components"]) == ("gland", 24, 1)
    assert gland["volume_ml"] == pytest.approx(24 * 10 / 1000)
    x, y, z = 3 * 2.0, 2 * 1.0, 4 * 5.0
    assert gland["surface_mm2"] == pytest.approx(2 * (x * y + y * z + x * z))
    assert (cyst["voxels"], cyst["volume_ml"], cyst["components"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("mask", "options", "flags"),
    [
        (block(), {}, ["no foreground"]),
        (block((1, INNER), (1, (slice(8, 9), slice(8, 9), slice(2, 3)))), {}, ["gland is in 2 parts"]),
        (block((2, (slice(0, 3), slice(4, 6), slice(1, 3)))), {}, ["cyst touches the border of the image"]),
        (block((2, (slice(3, 5), slice(10, 12), slice(0, 3)))), {},
         ["cyst touches the border and first or last slice of the image"]),
        (block((1, INNER)), {"confidence": [0.9, 0.6, 0.9]}, ["gland has a mean probability of 0.60"]),
        (block((1, INNER)), {"training_shares": {"gland": [0.1, 0.2]}},
         ["gland is 2.78% of the image, 10.00% to 20.00% in the training"]),
        (block((1, INNER)), {"training_shares": {"gland": [0.03, 0.2]}}, []),  # within a tenth of the range's end
        (block((1, INNER)), {"grid": SliceGrid((12, 12), (24, 24), (12, 24))},  # the middle 6 of 12 along x, from 3
         ["gland touches the border of the part that the network saw"]),
        (block((1, INNER)), {"grid": SliceGrid((12, 12), (24, 24), (14, 24))}, []),
        (block((2, (slice(3, 5), slice(9, 11), slice(0, 3)))), {"affine": None}, []),  # a clip that begins with it
    ],
)  # fmt: skip
def test_what_a_person_should_look_at_is_flagged(mask: Any, options: dict[str, Any], flags: list[str]) -> None:
    assert described(mask, **options)["flags"] == flags


def test_where_there_is_no_background_parts_and_borders_are_as_they_should_be() -> None:
    mask = block((1, (slice(0, 12), slice(0, 4), slice(0, 6))))
    assert described(mask, labels=["sky", "road"])["flags"] == []
    assert [row["class"] for row in described(mask, labels=["sky", "road"])["classes"]] == ["sky", "road"]


def test_what_is_unknown_is_not_a_number() -> None:
    for spacing in (None, (0.5, 0.5)):
        gland = described(block((1, INNER)), spacing)["classes"][0]
        assert math.isnan(gland["volume_ml"])
        assert math.isnan(gland["surface_mm2"])
