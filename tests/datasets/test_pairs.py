from __future__ import annotations

import numpy as np
import pytest

from scripts.datasets import Case
from scripts.datasets.pairs import read_pair
from scripts.formats.reading import bit_depth, source_files
from tests.synthetic import random_volume, write_mhd

LABELS = ["background", "prostate"]


def write_pair(folder, image=None, mask=None, **mask_header):
    drawn = random_volume(0)
    image, mask = (d if given is None else given for given, d in zip((image, mask), drawn, strict=True))
    image_path = write_mhd(folder / "Case00.mhd", image)
    mask_path = write_mhd(folder / "Case00_segmentation.mhd", mask, compress=True, **mask_header)
    return Case("Case00", str(image_path), str(mask_path), "Case00")


def test_a_sound_pair_is_read_as_written(tmp_path):
    image, mask = random_volume(0)
    pair = read_pair(write_pair(tmp_path), LABELS, None)
    np.testing.assert_array_equal(pair.image[0], image)
    np.testing.assert_array_equal(pair.label, mask)
    assert (pair.image.dtype, pair.label.dtype) == (np.float32, np.uint8)
    assert pair.image.shape == (1, *image.shape)


def test_a_mask_of_floats_with_whole_values_is_read(tmp_path):
    mask = random_volume(0)[1].astype(np.float32)
    np.testing.assert_array_equal(read_pair(write_pair(tmp_path, mask=mask), LABELS, None).label, mask)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"ElementSpacing": "0.5 0.5 3.1"}, "its spacing 0.5 0.5 3.1 is not that of its image, 0.5 0.5 3;"),
        ({"Offset": "0 0 3"}, "its origin .* is not that of its image"),
        ({"TransformMatrix": "0 1 0 1 0 0 0 0 1"}, "its direction .* is not that of its image"),
        ({"TransformMatrix": "1 0 0 0 0.8 0.6 0 -0.6 0.8"}, "its direction .* is not that of its image"),
    ],
)
def test_a_mask_on_another_grid_is_refused(tmp_path, header, message):
    with pytest.raises(ValueError, match=rf"Case00_segmentation\.mhd: {message}"):
        read_pair(write_pair(tmp_path, **header), LABELS, None)


def test_a_mask_of_another_size_is_refused(tmp_path):
    mask = random_volume(0)[1][:, :, :-1]
    with pytest.raises(
        ValueError, match=r"Case00_segmentation\.mhd: its size 40 32 4 is not that of its image, 40 32 5;"
    ):
        read_pair(write_pair(tmp_path, mask=mask), LABELS, None)


def test_honest_rounding_of_the_header_is_accepted(tmp_path):
    case = write_pair(tmp_path, ElementSpacing="0.50001 0.5 2.9999999", Offset="0 0 0.001")
    assert read_pair(case, LABELS, None).label.shape == (40, 32, 5)


@pytest.mark.parametrize(
    ("value", "message"),
    [(2, r"holds the value\(s\) 2, which are no class \(0 background, 1 prostate\)"), (0.5, r"the value\(s\) 0\.5,")],
)
def test_a_label_that_is_no_class_is_refused(tmp_path, value, message):
    mask = random_volume(0)[1].astype(np.float32)
    mask[0, 0, 0] = value
    with pytest.raises(ValueError, match=message):
        read_pair(write_pair(tmp_path, mask=mask), LABELS, None)


def test_the_ignored_value_is_accepted(tmp_path):
    mask = random_volume(0)[1]
    mask[0, 0, 0] = 255
    assert read_pair(write_pair(tmp_path, mask=mask), LABELS, 255).label[0, 0, 0] == 255


def test_a_constant_image_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Case00\.mhd is constant \(every voxel is 7\)"):
        read_pair(write_pair(tmp_path, image=np.full((40, 32, 5), 7, dtype=np.int16)), LABELS, None)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_that_is_not_finite_is_refused(tmp_path, value):
    image = random_volume(0)[0].astype(np.float32)
    image[3, 3, 3] = value
    with pytest.raises(ValueError, match=r"Case00\.mhd holds NaN or infinite values"):
        read_pair(write_pair(tmp_path, image=image), LABELS, None)


def test_source_files_are_header_and_numbers(tmp_path):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0])
    assert source_files(path) == [path, tmp_path / "a.raw"]
    (tmp_path / "a.raw").unlink()
    assert source_files(path) == [path]
    assert source_files(tmp_path / "absent.mhd") == []


@pytest.mark.parametrize(("dtype", "depth"), [("uint8", 8), ("int8", 8), ("int16", 16), ("float32", 16)])
def test_the_depth_is_that_of_the_element_type(tmp_path, dtype, depth):
    assert bit_depth(write_mhd(tmp_path / "a.mhd", np.zeros((4, 4, 4), dtype=dtype))) == depth
