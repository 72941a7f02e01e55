"""Where the planes of a DICOM image lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .dicom_header import DicomHeader
from .limits import MAX_OFFSET_MM, MAX_SPACING_MM, MIN_SPACING_MM

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_CENTIMETRE = 3  # PhysicalUnitsXDirection
_MEASURES = "PixelMeasuresSequence"
_GAP_TOLERANCE = 0.1  # of a step between slices; headers round
_SAME_SCALE = 1e-3  # of a spacing


@dataclass(frozen=True)
class Plane:
    """A plane in millimetres, in LPS where it lies in the patient.

    Args:
        position: of the middle of the first pixel.
        axes: unit vectors along a row (x) and along a column (y).
        spacing: between pixels along x and y.
        thickness: of the slice, 1 where the header is silent.
        in_patient: whether position and axes are told in the patient; else in a volume that lies nowhere in him.
    """

    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float
    in_patient: bool = True


def plane_of(header: DicomHeader, index: int) -> Plane | None:
    """Find where a frame lies, or None where the header does not say.

    Raises:
        ValueError: what it says is impossible.
    """
    return _plane(header, index, "") or _plane(header, index, "Volume")


def _plane(header: DicomHeader, index: int, volume: str) -> Plane | None:
    """A frame's place in the patient, or, where ``volume`` is "Volume", in an ultrasound volume of its own."""
    position, orientation = f"ImagePosition{volume or 'Patient'}", f"ImageOrientation{volume or 'Patient'}"
    place = header.of_frame(index, f"PlanePosition{volume}Sequence", [position]).numbers(position, 3)
    level = header.of_frame(index, f"PlaneOrientation{volume}Sequence", [orientation])
    numbers = level.numbers(orientation, 6)
    if place is None or numbers is None:
        return None
    if max(map(abs, place)) > MAX_OFFSET_MM:
        raise header.of_frame(index, f"PlanePosition{volume}Sequence", [position]).fault(
            position, f"beyond {MAX_OFFSET_MM:g} mm"
        )
    axes = np.reshape(numbers, (2, 3))
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-3):
        raise level.fault(orientation, "no two unit vectors at a right angle")
    spacing = _pixel_spacing(header, index)
    if spacing is None:
        raise UserError("has a position but no PixelSpacing; export it with its geometry", path=header.path)
    return Plane(np.array(place), axes, spacing, _thickness(header, index), in_patient=not volume)


def _pixel_spacing(header: DicomHeader, index: int) -> tuple[float, float] | None:
    """Millimetres along x and y; the header gives those between rows, along y, first."""
    level = header.of_frame(index, _MEASURES, ["PixelSpacing"])
    spacing = level.numbers("PixelSpacing", 2)
    if spacing is not None and min(spacing) <= 0:
        raise level.fault("PixelSpacing", "not > 0")
    for step in spacing or ():
        _check_step(level, "PixelSpacing", step)
    return None if spacing is None else (spacing[1], spacing[0])


def _thickness(header: DicomHeader, index: int) -> float:
    """From plane to plane where there is but one: the spacing, else the thickness, else 1."""
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        level = header.of_frame(index, _MEASURES, [name])
        value = level.number(name)
        if value is not None and value > 0:
            return _check_step(level, name, value)
    return 1.0


def _check_step(level: DicomHeader, name: str, step: float) -> float:
    if not MIN_SPACING_MM <= step <= MAX_SPACING_MM:
        raise level.fault(name, f"not {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm")
    return step


def place(path: Path, planes: Sequence[Plane | None]) -> tuple[list[int], NDArray[np.float64] | None]:
    """Order planes along their normal and find the grid that they make.

    Returns:
        The order, and voxel indices to millimetres in RAS; the given order and None where all planes lie nowhere.

    Raises:
        ValueError: planes are tilted or shifted against each other, share a place, or leave a gap; some lie nowhere.
    """
    known = [plane for plane in planes if plane is not None]
    if not known:
        return list(range(len(planes))), None
    if len(known) < len(planes):
        raise UserError(
            f": {len(planes) - len(known)} of its {len(planes)} planes have no position; export it again", path=path
        )
    first = known[0]
    for plane in known:
        if not np.allclose(plane.axes, first.axes, atol=1e-3) or not np.allclose(
            plane.spacing, first.spacing, rtol=1e-3
        ):
            raise UserError(": its planes differ in direction or spacing; keep one series a folder", path=path)
    normal = np.cross(*first.axes)
    heights = np.array([plane.position @ normal for plane in known])
    order = [int(i) for i in np.argsort(heights, kind="stable")]
    step = _check_steps(path, heights[order], first.thickness)
    start = known[order[0]].position
    drift = (known[order[-1]].position - start) / max(len(known) - 1, 1) if len(known) > 1 else normal * step
    aside = np.abs([known[i].position - start - drift * z for z, i in enumerate(order)]).max()
    if aside > _GAP_TOLERANCE * max(step, min(first.spacing)):
        raise UserError(
            f": its planes are shifted by {aside:.4g} mm against each other; export it on one grid", path=path
        )
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = first.axes[0] * first.spacing[0], first.axes[1] * first.spacing[1]
    affine[:3, 2], affine[:3, 3] = drift, start
    return order, _LPS_TO_RAS @ affine


def spacing_in_plane(headers: Sequence[DicomHeader]) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Millimetres a pixel along x and y of files whose planes lie nowhere, from calibrated regions or PixelSpacing.

    Returns:
        The spacing, None where it is unknown; and a note where it is unknown since there are several.

    Raises:
        ValueError: a value is impossible, or files differ.
    """
    scales = [_scales_in_plane(header) for header in headers]
    for header, each in zip(headers, scales, strict=True):
        if len(each) != len(scales[0]) or not np.allclose(each, scales[0], rtol=_SAME_SCALE, atol=0.0):
            raise UserError(": its pixels have another spacing than the first file's; part them", path=header.path)
    if not scales[0]:
        return None, ()
    if not np.allclose(scales[0], scales[0][0], rtol=_SAME_SCALE, atol=0.0):
        return None, ("its parts have several scales, so that the size of its pixels is unknown",)
    return scales[0][0], ()


def _scales_in_plane(header: DicomHeader) -> list[tuple[float, float]]:
    """Of each calibrated region the millimetres a pixel along x and y; where there is none, PixelSpacing."""
    found = []
    for region in header.items("SequenceOfUltrasoundRegions"):
        units = [region.integer(f"PhysicalUnits{axis}Direction") for axis in "XY"]
        steps = [region.number(f"PhysicalDelta{axis}") for axis in "XY"]
        if units == [_CENTIMETRE, _CENTIMETRE] and all(steps):
            x, y = (
                _check_step(region, f"PhysicalDelta{axis}", abs(step or 0.0) * 10.0)
                for axis, step in zip("XY", steps, strict=True)
            )
            found.append((x, y))
    spacing = None if found else _pixel_spacing(header, 0)
    return found if spacing is None else [spacing]


def _check_steps(path: Path, heights: NDArray[np.float64], thickness: float) -> float:
    if len(heights) == 1:
        return thickness
    steps = np.diff(heights)
    typical = float(np.median(steps))
    if steps.min() < 1e-3 or typical < 1e-3:
        raise UserError(": two of its slices lie in one place; keep one time point or series a folder", path=path)
    wide = np.flatnonzero(np.abs(steps - typical) > _GAP_TOLERANCE * typical)
    if wide.size:
        missing = max(1, round(steps[wide].sum() / typical) - wide.size)
        raise UserError(
            f": slices are missing or unevenly spaced, {steps[wide[0]]:.4g} mm after slice {wide[0] + 1} where "
            f"{typical:.4g} mm are usual (about {missing} missing); copy the series again",
            path=path,
        )
    return typical
