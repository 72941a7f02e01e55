"""The area of a surface, beside its faces one by one."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.evaluation.surfaces import surface_area, surface_of


@pytest.mark.parametrize("shape", [(7, 9, 5), (7, 9, 1), (1, 9, 5), (12, 6)])
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
