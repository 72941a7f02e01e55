"""Where the planes of a DICOM image lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_CENTIMETRE = 3  # PhysicalUnitsXDirection
_GAP_TOLERANCE = 0.1  # of a step between slices; headers round


@dataclass(frozen=True)
class Plane:
    """A plane in the patient, in millimetres in LPS.

    Args:
        position: of the middle of the first pixel.
        axes: unit vectors along a row (x) and along a column (y).
        spacing: between pixels along x and y.
        thickness: of the slice, 1 where the header is silent.
    """

    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float


def plane_of(path: Path, header: Any, index: int) -> Plane | None:
    """Find where a frame lies, or None where the header does not say.

    Raises:
        ValueError: what it says is impossible.
    """
    position = _value(header, index, "PlanePositionSequence", "ImagePositionPatient")
    orientation = _value(header, index, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = _value(header, index, "PixelMeasuresSequence", "PixelSpacing")
    if position is None or orientation is None:
        return None
    if spacing is None:
        raise UserError(f"{path} has a position but no PixelSpacing; export it with its geometry")
    try:
        place, axes = np.array(position, dtype=float), np.reshape(np.array(orientation, dtype=float), (2, 3))
        row_step, column_step = (float(v) for v in spacing)
        sound = place.shape == (3,) and np.isfinite(place).all() and min(row_step, column_step) > 0
        sound = bool(sound and np.allclose(axes @ axes.T, np.eye(2), atol=1e-3))
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise UserError(
            f"{path}: ImagePositionPatient, ImageOrientationPatient or PixelSpacing is impossible; export it again"
        )
    thickness = _value(header, index, "PixelMeasuresSequence", "SpacingBetweenSlices")
    thickness = thickness or _value(header, index, "PixelMeasuresSequence", "SliceThickness") or 1.0
    return Plane(place, axes, (column_step, row_step), float(thickness))


def place(path: Path, planes: Sequence[Plane | None]) -> tuple[list[int], NDArray[np.float64] | None]:
    """Order planes along their normal and find the grid that they make.

    Returns:
        The order, and voxel indices to millimetres in RAS; the given order and None where a plane lies nowhere.

    Raises:
        ValueError: planes are tilted against each other, share a place, or leave a gap.
    """
    known = [plane for plane in planes if plane is not None]
    if len(known) < len(planes):
        return list(range(len(planes))), None
    first = known[0]
    for plane in known:
        if not np.allclose(plane.axes, first.axes, atol=1e-3) or not np.allclose(
            plane.spacing, first.spacing, rtol=1e-3
        ):
            raise UserError(f"{path}: its planes differ in direction or spacing; keep one series a folder")
    normal = np.cross(*first.axes)
    heights = np.array([plane.position @ normal for plane in known])
    order = [int(i) for i in np.argsort(heights, kind="stable")]
    step = _check_steps(path, heights[order], first.thickness)
    start = known[order[0]].position
    drift = (known[order[-1]].position - start) / max(len(known) - 1, 1) if len(known) > 1 else normal * step
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = first.axes[0] * first.spacing[0], first.axes[1] * first.spacing[1]
    affine[:3, 2], affine[:3, 3] = drift, start
    return order, _LPS_TO_RAS @ affine


def ultrasound_spacing(header: Any) -> tuple[float, ...] | None:
    """Millimetres a pixel along x and y, from the first calibrated region or PixelSpacing; None where unknown."""
    for region in header.get("SequenceOfUltrasoundRegions") or []:
        units = (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection"))
        steps = (region.get("PhysicalDeltaX"), region.get("PhysicalDeltaY"))
        if units == (_CENTIMETRE, _CENTIMETRE) and all(steps):
            return abs(float(steps[0])) * 10.0, abs(float(steps[1])) * 10.0
    spacing = header.get("PixelSpacing")
    return None if not spacing else (float(spacing[1]), float(spacing[0]))


def _check_steps(path: Path, heights: NDArray[np.float64], thickness: float) -> float:
    if len(heights) == 1:
        return thickness
    steps = np.diff(heights)
    typical = float(np.median(steps))
    if steps.min() < 1e-3 or typical < 1e-3:
        raise UserError(f"{path}: two of its slices lie in one place; keep one time point or series a folder")
    wide = np.flatnonzero(np.abs(steps - typical) > _GAP_TOLERANCE * typical)
    if wide.size:
        missing = max(1, round(steps[wide].sum() / typical) - wide.size)
        raise UserError(
            f"{path}: slices are missing or unevenly spaced, {steps[wide[0]]:.4g} mm after slice {wide[0] + 1} where "
            f"{typical:.4g} mm are usual (about {missing} missing); copy the series again"
        )
    return typical


def _value(header: Any, index: int, group: str, name: str) -> Any:
    """A value of a frame: its own, that shared by all frames, or the file's."""
    per_frame = header.get("PerFrameFunctionalGroupsSequence")
    shared = header.get("SharedFunctionalGroupsSequence")
    for groups in (per_frame[index] if per_frame and index < len(per_frame) else None, shared[0] if shared else None):
        if groups is not None and groups.get(group):
            value = groups[group].value[0].get(name)
            if value is not None:
                return value
    return header.get(name)
