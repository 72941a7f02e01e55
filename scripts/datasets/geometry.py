"""Size and spacing of a case as its files have it, before it becomes slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .slice_grid import SliceGrid


@dataclass(frozen=True)
class Geometry:
    """The grid of a volume.

    Args:
        size: voxels along x, y and z; z is 1 for a plane.
        spacing: millimetres along x and y, perhaps z; None where the files tell none.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, ...] | None

    @classmethod
    def of(cls, size: Sequence[int], spacing: Sequence[float] | None) -> Geometry:
        """From the numbers of a file; a spacing that is no length counts as none."""
        x, y, z = size
        known = spacing is not None and all(math.isfinite(step) and step > 0 for step in spacing)
        return cls((int(x), int(y), int(z)), tuple(float(step) for step in spacing) if known and spacing else None)

    @property
    def in_millimetres(self) -> bool:
        """Whether distances are known: a plane needs two steps, a volume three."""
        return self.spacing is not None and (len(self.spacing) == 3 or self.size[2] == 1)

    def of_slices(self, grid: SliceGrid) -> Geometry:
        """The grid of the slices, which show the same field of view, or the middle of it, with other pixels."""
        size = (*grid.size, self.size[2])
        if self.spacing is None:
            return Geometry(size, None)
        x, y, *z = self.spacing
        return Geometry(size, (x * self.size[0] / grid.whole[0], y * self.size[1] / grid.whole[1], *z))

    def record(self) -> dict[str, Any]:
        """As ``dataset.json`` holds it."""
        return {"size": list(self.size), "spacing": None if self.spacing is None else list(self.spacing)}
