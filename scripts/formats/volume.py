"""What every format is read into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Volume:
    """Numbers and, as far as their file tells, their place in space.

    Args:
        array: (X, Y, Z), or (X, Y, Z, 3) where it is coloured; Z is 1 for a plane.
        affine: voxel indices to millimetres in RAS, 4 x 4; None where the file places nothing in space.
        spacing: millimetres along x and y, perhaps z; None where the file tells none.
        full_scale: what stands for white in a picture of 8 bits or less, whose numbers are taken as they are; None
            where they are scaled between percentiles.
        frames: for DICOM, the SOP instance and the frame number of each plane.
        notes: what a person should know, such as text that may be burnt into the pixels.
        patient_id: for DICOM, the header's patient, never to be written anywhere; empty where there is none.
        frame_of_reference: for DICOM, the UID of the space that positions are told in; empty where there is none.
    """

    array: NDArray[Any]
    affine: NDArray[np.float64] | None = None
    spacing: tuple[float, ...] | None = None
    full_scale: int | None = None
    frames: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    patient_id: str = ""
    frame_of_reference: str = ""

    @property
    def coloured(self) -> bool:
        """Whether there are three numbers per voxel."""
        return self.array.ndim == 4


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, ...]:
    """The lengths of the axes' steps."""
    return tuple(float(step) for step in np.linalg.norm(affine[:3, :3], axis=0))
