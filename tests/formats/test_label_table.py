from __future__ import annotations

import numpy as np
import pytest

from scripts.formats.label_table import LabelTable, whole_numbers

TABLE = LabelTable.of([0, 1, 2])


@pytest.mark.parametrize("noise", [1e-7, 1e-5, 9e-4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_numbers_that_a_headers_slope_has_rounded_are_classes(noise, dtype):
    mask = np.array([0, 1 - noise, 1 + noise, 2 - noise, noise, 2], dtype=dtype)
    found, strange = TABLE.look_up(mask)
    assert found.tolist() == [0, 1, 1, 2, 0, 2]
    assert strange == []


def test_numbers_between_classes_are_told_with_their_digits():
    mask = np.array([0, 1.0012345678, 0.5, 2.002, 7])
    found, strange = TABLE.look_up(mask)
    assert found.tolist() == [0, -2, -2, -2, -2]
    assert sorted(strange) == ["0.5", "1.0012345678", "2.002", "7"]
    assert TABLE.look_up(np.array([16777217.25]))[1] == ["16777217.25"]


def test_nan_and_infinite_numbers_are_no_class():
    assert TABLE.look_up(np.array([np.nan, np.inf, 1.0]))[0].tolist() == [-2, -2, 1]


def test_whole_numbers_leaves_integers_alone():
    mask = np.array([0, 3], dtype=np.int16)
    assert whole_numbers(mask) is mask
