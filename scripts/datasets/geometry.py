"""Size and spacing of a case as its files have it, before it becomes slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


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

    def resized(self, image_size: tuple[int, int]) -> Geometry:
        """The grid of the slices, which show the same field of view with other pixels."""
        width, height = image_size
        if self.spacing is None:
            return Geometry((width, height, self.size[2]), None)
        x, y, *z = self.spacing
        spacing = (x * self.size[0] / width, y * self.size[1] / height, *z)
        return Geometry((width, height, self.size[2]), spacing)

    def record(self) -> dict[str, Any]:
        """As ``dataset.json`` holds it."""
        return {"size": list(self.size), "spacing": None if self.spacing is None else list(self.spacing)}
