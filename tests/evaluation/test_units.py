from __future__ import annotations

import pytest

from scripts.datasets.geometry import Geometry
from scripts.evaluation.units import Units

VOLUME = Geometry.of((9, 9, 9), (0.5, 0.5, 4))
PLANE = Geometry.of((9, 9, 1), (0.5, 0.5))
SLICE = Geometry.of((9, 9, 1), (0.5, 0.5, 4))
PICTURE = Geometry.of((9, 9, 1), None)
FRAMES = Geometry.of((9, 9, 9), (0.5, 0.5))


@pytest.mark.parametrize(
    ("geometries", "units"),
    [
        ([VOLUME, SLICE], Units("mm", "ml")),
        ([PLANE, PLANE], Units("mm", "mm2")),
        ([PLANE, SLICE], Units("mm", "mm2")),
        ([PLANE, VOLUME], Units("mm", "px")),
        ([VOLUME, PICTURE], Units("px", "px")),  # one unknown spacing, and no mean could be in millimetres
        ([FRAMES], Units("px", "px")),
    ],
)
def test_a_table_has_the_units_that_all_of_its_cases_allow(geometries: list[Geometry], units: Units) -> None:
    assert Units.of(geometries) == units


def test_a_voxel_in_each_unit() -> None:
    assert Units("mm", "ml").volume_of_voxel(VOLUME) == 0.001
    assert Units("mm", "mm2").volume_of_voxel(SLICE) == Units("mm", "mm2").volume_of_voxel(PLANE) == 0.25
    assert Units("px", "px").volume_of_voxel(VOLUME) == 1
    assert Units("mm", "px").volume_of_voxel(PLANE) == Units("mm", "px").volume_of_voxel(VOLUME) == 1
    assert Units("mm", "ml").spacing(VOLUME) == (0.5, 0.5, 4)
    assert Units("mm", "mm2").spacing(PLANE) == (0.5, 0.5, 1)
    assert Units("px", "px").spacing(VOLUME) == (1, 1, 1)
