from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import ScaleIntensityRangePercentiles

from scripts.datasets.intensity import PERCENTILES, intensity_window, refuse_unusable, scale_intensities

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("full_scale", [1, 3, 15, 255])
def test_pictures_of_few_bits_are_scaled_by_their_white(full_scale):
    image = RNG.integers(0, full_scale + 1, (1, 20, 20, 1)).astype(np.float32)
    scaled = scale_intensities(image, full_scale, "a.png").numpy()
    np.testing.assert_array_equal(scaled, image / np.float32(full_scale))
    assert intensity_window(image, full_scale) == (0.0, full_scale)


def test_twelve_bits_in_sixteen_fill_the_range():
    image = RNG.integers(0, 4096, (1, 50, 50, 1)).astype(np.float32)
    scaled = scale_intensities(image, None, "a.png")
    low, high = np.percentile(image, PERCENTILES)
    torch.testing.assert_close(scaled, torch.from_numpy(np.clip((image - low) / (high - low), 0, 1).astype(np.float32)))
    assert (float(scaled.min()), float(scaled.max())) == (0.0, 1.0)
    assert intensity_window(image, None) == (low, high)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([0.0, 1e300]), r"numbers from 0 to 1e\+300, which 32-bit floats can't hold"),
        (np.array([-1e39, 0.0]), "which 32-bit floats can't hold"),
        (np.array([0.0, 1e-300]), "which 32-bit floats can't hold"),
        (np.array([-1.7e308, 1.7e308]), "which 32-bit floats can't hold"),
        (np.array([1e9, 1e9 + 10]), "from 1000000000 to 1000000010, too close together for 32-bit floats"),
        (np.array([2**31 - 9, 2**31 - 1], dtype=np.int32), "too close together for 32-bit floats"),
        (np.array([0.0, np.nan]), "holds NaN or infinite values"),
        (np.array([0.0, -np.inf], dtype=np.float32), "holds NaN or infinite values"),
        (np.array([7, 7], dtype=np.uint8), r"is constant \(every voxel is 7\)"),
    ],
)
def test_numbers_that_would_become_black_are_refused(array, message):
    with pytest.raises(ValueError, match=rf"^a\.nii .*{message}"):
        refuse_unusable(array, "a.nii")


@pytest.mark.parametrize(
    "array",
    [
        np.array([0, 255], dtype=np.uint8),
        np.array([-128, 127], dtype=np.int8),
        np.array([-32768, 32767], dtype=np.int16),
        np.array([0.0, 3.4e38]),
        np.array([-1024.0, 3071.0]),
        np.array([0, 2**31 - 1], dtype=np.int32),
        np.array([60000.0, 60001.0]),
    ],
)
def test_numbers_that_32_bit_floats_hold_are_taken(array):
    refuse_unusable(array, "a.nii")


def test_a_nearly_constant_image_is_refused():
    image = np.zeros((1, 20, 20, 1), dtype=np.float32)
    image[0, 0, 0] = 9
    with pytest.raises(ValueError, match=r"^a\.nii is nearly constant: 99 % of its voxels are 0"):
        scale_intensities(image, None, "a.nii")


@pytest.mark.parametrize("shape", [(1, 20, 16, 5), (3, 20, 16, 5), (1, 128, 128, 64)])  # above a million is NumPy's
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_numbers_are_those_of_monais_transform_bit_for_bit(shape, overwrite):
    image = np.random.default_rng(0).normal(100, 30, shape).astype(np.float32)
    before = image.copy()
    expected = ScaleIntensityRangePercentiles(*PERCENTILES, 0.0, 1.0, clip=True)(torch.from_numpy(image.copy()))
    found = scale_intensities(image, None, "a.nii", overwrite=overwrite)
    assert torch.equal(found, torch.as_tensor(expected))
    assert np.shares_memory(found.numpy(), image) == overwrite
    assert overwrite or np.array_equal(image, before)
