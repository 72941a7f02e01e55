"""Faces, areas and percentiles worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.evaluation.surfaces import Surface, distances_to, percentile_of_area, surface_area, surface_of


@pytest.mark.parametrize("shape", [(7, 9, 5), (7, 9, 1), (1, 9, 5), (2, 9, 2), (12, 6), (2, 2)])
def test_the_area_is_that_of_all_faces(shape: tuple[int, ...]) -> None:
    spacing = (0.5, 0.7, 3.0)[: len(shape)]
    for seed in range(5):
        mask = np.random.default_rng(seed).random(shape) > 0.5
        assert surface_area(mask, spacing) == pytest.approx(surface_of(mask, spacing).areas.sum(), rel=1e-12)
    assert surface_area(np.zeros(shape, bool), spacing) == 0


def test_a_box_has_the_area_of_its_six_sides() -> None:
    mask = np.zeros((8, 8, 8), bool)
    mask[0:3, 2:6, 6:8] = True  # 3 x 4 x 2 voxels of 0.5 x 1 x 3 mm, two sides on the border: 1.5 x 4 x 6 mm
    assert surface_area(mask, (0.5, 1.0, 3.0)) == pytest.approx(2 * (1.5 * 4 + 4 * 6 + 1.5 * 6))
    np.testing.assert_array_equal(
        surface_of(mask * np.uint8(255), (1, 1, 1)).points, surface_of(mask, (1, 1, 1)).points
    )
    assert surface_area(mask * np.uint8(255), (0.5, 1.0, 3.0)) == surface_area(mask, (0.5, 1.0, 3.0))


def test_the_faces_of_one_voxel_lie_half_a_step_around_its_centre() -> None:
    mask = np.zeros((4, 3, 5), bool)
    mask[2, 1, 3] = True
    surface = surface_of(mask, (0.5, 1.0, 3.0))
    x, y, z = 2 * 0.5, 1 * 1.0, 3 * 3.0
    expected = {(x - 0.25, y, z): 3.0, (x + 0.25, y, z): 3.0, (x, y - 0.5, z): 1.5, (x, y + 0.5, z): 1.5}
    expected |= {(x, y, z - 1.5): 0.5, (x, y, z + 1.5): 0.5}
    assert dict(zip(map(tuple, surface.points.tolist()), surface.areas.tolist(), strict=True)) == expected


def test_an_axis_of_one_voxel_is_no_axis_wherever_it_stands() -> None:
    flat = np.zeros((4, 5), bool)
    flat[1:3, 2:5] = True
    outline = surface_of(flat, (0.5, 3.0))
    for axis in range(3):
        surface = surface_of(np.expand_dims(flat, axis), np.insert([0.5, 3.0], axis, 7.0))
        np.testing.assert_array_equal(surface.points, outline.points)
        np.testing.assert_array_equal(surface.areas, outline.areas)


def test_an_empty_mask_has_no_face_in_as_many_dimensions() -> None:
    surface = surface_of(np.zeros((4, 3, 5), bool), (1, 1, 1))
    assert surface.points.shape == (0, 3)
    assert surface.areas.shape == (0,)


def test_distances_are_to_the_nearest_centre() -> None:
    surface = Surface(np.array([[0.0, 0.0], [3.0, 4.0]]), np.ones(2))
    np.testing.assert_allclose(distances_to(surface, np.array([[0.0, 1.0], [3.0, 3.0], [0.0, 0.0]])), [1, 1, 0])


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 1), (51, 2), (75, 2), (76, 3), (100, 3)])
def test_a_percentile_of_area_is_the_least_distance_within_which_so_much_of_it_lies(
    percent: float, expected: float
) -> None:
    assert percentile_of_area(np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0]), percent) == expected


def test_rounding_moves_no_percentile() -> None:
    areas = np.full(20, 1.1)
    assert np.cumsum(areas)[9] < np.cumsum(areas)[-1] * 0.5  # although ten of twenty are a half
    assert percentile_of_area(np.arange(20.0), areas, 50) == 9


def test_a_share_that_is_short_by_more_than_rounding_takes_the_next_distance() -> None:
    assert percentile_of_area(np.array([1.0, 2.0]), np.array([0.5 - 1e-8, 0.5 + 1e-8]), 50) == 2
    assert percentile_of_area(np.array([1.0, 2.0]), np.array([0.5 - 1e-10, 0.5 + 1e-10]), 50) == 1
