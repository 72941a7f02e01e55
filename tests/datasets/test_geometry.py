from __future__ import annotations

import numpy as np
import pytest

from scripts.datasets import find_promise12, prepare_dataset
from scripts.datasets.geometry import Geometry
from scripts.datasets.slice_grid import SliceGrid
from tests.synthetic import random_volume, write_promise12


def _prepare(folder):
    cases = find_promise12(write_promise12(folder / "raw", 3))
    return prepare_dataset(
        cases, name="toy", labels=["background", "prostate"], image_size=(20, 64), prepared_dir=folder, num_folds=3
    )


def test_a_prepared_data_set_keeps_masks_size_and_spacing_of_its_files(tmp_path):
    prepared = _prepare(tmp_path)
    for index, case in enumerate(prepared.case_names):
        np.testing.assert_array_equal(prepared.original_label(case), random_volume(index)[1])
        assert prepared.patients[case] == case
        geometry = prepared.geometry(case)
        assert geometry.size == random_volume(index)[1].shape == (40, 32, 5)
        assert geometry.spacing == pytest.approx((0.5, 0.5, 3.0))


def test_a_missing_or_damaged_mask_is_refused_in_one_line(tmp_path):
    prepared = _prepare(tmp_path)
    path = prepared.original_label_file("Case01")
    whole = path.read_bytes()
    for damage in (whole[:-30], whole[:100], b"", whole[:60] + b"x" + whole[61:]):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"Case01\.npz was changed, damaged .*; delete .* and prepare it again"):
            prepared.original_label("Case01")
    np.savez_compressed(path, label=np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"Case01\.npz was changed, damaged or replaced"):
        prepared.original_label("Case01")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"Case01\.npz does not exist"):
        prepared.original_label("Case01")


def test_slices_show_the_same_field_of_view():
    # 40 pixels of 0.5 mm are 20 mm, as are 80 of 0.25 mm; 32 of 0.5 mm are 16 of 1 mm
    grid = SliceGrid((40, 32), (80, 16), (80, 16))
    assert Geometry.of((40, 32, 5), (0.5, 0.5, 3)).of_slices(grid) == Geometry((80, 16, 5), (0.25, 1.0, 3.0))
    assert Geometry.of((40, 32, 1), (0.5, 0.5)).of_slices(grid) == Geometry((80, 16, 1), (0.25, 1.0))
    assert Geometry.of((40, 32, 1), None).of_slices(grid) == Geometry((80, 16, 1), None)
    # the middle 20 x 20 of 80 x 16 pixels, padded along y: the pixels stay
    middle = SliceGrid((40, 32), (80, 16), (20, 20))
    assert Geometry.of((40, 32, 5), (0.5, 0.5, 3)).of_slices(middle) == Geometry((20, 20, 5), (0.25, 1.0, 3.0))


@pytest.mark.parametrize(
    ("size", "spacing", "known"),
    [
        ((9, 9, 9), (1, 1, 1), True),
        ((9, 9, 9), (1, 1), False),  # an ultrasound's frames have no distance
        ((9, 9, 1), (1, 1), True),
        ((9, 9, 1), None, False),
        ((9, 9, 9), (1, 1, 0), False),
        ((9, 9, 9), (1, float("nan"), 1), False),
    ],
)
def test_millimetres_need_a_step_along_every_axis(size, spacing, known):
    assert Geometry.of(size, spacing).in_millimetres is known
