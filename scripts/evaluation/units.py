"""In which units a set of cases can be measured: millimetres where every case's spacing is known, else pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..datasets.geometry import Geometry


@dataclass(frozen=True)
class Units:
    """Units of a table, the same for all of its rows.

    Args:
        distance: "mm" or, where one case's spacing is unknown, "px": steps of the grid, whatever their lengths.
        volume: "ml"; for planes without a thickness "mm2", an area; else "px", a number of voxels.
    """

    distance: str
    volume: str

    @classmethod
    def of(cls, geometries: Sequence[Geometry]) -> Units:
        """The units that all of the cases allow."""
        if not all(geometry.in_millimetres for geometry in geometries):
            return cls("px", "px")
        steps = {len(geometry.spacing or ()) for geometry in geometries}
        if steps == {3}:
            return cls("mm", "ml")
        return cls("mm", "mm2" if all(geometry.size[2] == 1 for geometry in geometries) else "px")

    def spacing(self, geometry: Geometry) -> tuple[float, float, float]:
        """Size of a case's voxel along x, y and z in the unit of distance; 1 where an axis has none."""
        if self.distance == "px" or geometry.spacing is None:
            return (1.0, 1.0, 1.0)
        x, y, *z = geometry.spacing
        return (x, y, z[0] if z else 1.0)

    def volume_of_voxel(self, geometry: Geometry) -> float:
        """Size of a case's voxel in the unit of volume."""
        if self.volume == "px":
            return 1.0
        spacing = self.spacing(geometry)
        return math.prod(spacing) / 1000 if self.volume == "ml" else math.prod(spacing[:2])
