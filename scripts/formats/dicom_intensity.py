"""From the stored numbers of DICOM frames to intensities: on one scale for the whole volume, brighter for more.

The modality's rescale is applied frame by frame, as each frame or file gives it. MONOCHROME1, where more is darker, is
turned afterwards and for the volume as a whole, against the sum of the ends of the range that its headers allow: a
constant of the format, so that equal tissue stays equal from slice to slice. Padding becomes the volume's least number.

Not applied, since they change how an image is shown and not what was measured: windows and VOI tables. Not read: the
real world value mapping, whose units a network has no use for. What would change the numbers otherwise is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .dicom_header import DicomHeader
from .dicom_pixels import PALETTE, PixelFormat

_TRANSFORMATION = "PixelValueTransformationSequence"
_MAPPING = "RealWorldValueMappingSequence"
_MAPPED = ("RealWorldValueSlope", "RealWorldValueIntercept")
_RESCALE = ("RescaleSlope", "RescaleIntercept")
_LARGEST = float(np.finfo(np.float32).max) / 4  # the ends of a range can be added


@dataclass(frozen=True)
class Scale:
    """How the stored numbers of one frame become intensities.

    Args:
        slope, intercept: of the rescale.
        unit: of the result, empty where it is not told.
        stored: the ends of the range that can be stored.
        padding: the stored numbers that mean "nothing here", None where there are none.
        mapping: slope and intercept of the real world value mapping, which is compared and not used.
    """

    slope: float
    intercept: float
    unit: str
    stored: tuple[int, int]
    padding: tuple[int, int] | None
    mapping: tuple[float | None, ...] = (None, None)

    @property
    def changes(self) -> bool:
        """Whether numbers change by it."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the range of intensities."""
        low, high = sorted(end * self.slope + self.intercept for end in self.stored)
        return low, high

    def apply(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Rescale a frame, in double precision."""
        return frame.astype(np.float64) * self.slope + self.intercept if self.changes else frame


def scales_of(header: DicomHeader, pixels: PixelFormat) -> list[Scale]:
    """Read for each frame of a file how its numbers become intensities.

    Raises:
        ValueError: a value is impossible, or the file says something that changes the numbers and is not read.
    """
    _refuse_unread(header, pixels)
    padding = _padding(header, pixels)
    scales = [_scale(header, pixels, index, padding) for index in range(pixels.frames)]
    if (pixels.samples == 3 or pixels.photometric == PALETTE) and any(scale.changes for scale in scales):
        raise header.fault("RescaleSlope", "given for colours, which have no scale")
    return scales


def check_scales(path: Path, scales: Sequence[Scale]) -> None:
    """Refuse frames, of one file or of the files of a series, that are on several scales nobody can tell.

    Raises:
        ValueError: they have several units, or only the real world value mapping tells them apart.
    """
    units = {scale.unit for scale in scales}
    if len(units) > 1:
        shown = " and ".join(sorted(unit or "none" for unit in units))
        raise UserError(f": RescaleType differs between its frames, {shown}; part them", path=path)
    if len({scale.mapping for scale in scales}) > 1 and len({(scale.slope, scale.intercept) for scale in scales}) == 1:
        raise UserError(
            f": only its {_MAPPING}, which is not read, tells the scale of each frame; export it with RescaleSlope",
            path=path,
        )


def to_intensities(
    frames: Sequence[NDArray[Any]], scales: Sequence[Scale], *, inverted: bool, fill_padding: bool = True
) -> NDArray[Any]:
    """Bring the frames of a volume onto one scale.

    Args:
        frames: stored numbers, each (Y, X) or (Y, X, 3).
        scales: how those of each frame become intensities.
        inverted: whether more is darker (MONOCHROME1).
        fill_padding: whether padding is to become the least number that is none.

    Returns:
        (frames, Y, X, ...); float32 where a frame is rescaled, else of the type that is stored.
    """
    rescaled = any(scale.changes for scale in scales)
    dtype = np.dtype(np.float32) if rescaled else np.result_type(*frames)
    low, high = (end(scale.ends[i] for scale in scales) for i, end in enumerate((min, max)))
    total: float | np.int64 = low + high if rescaled else np.int64(low + high)
    out = np.empty((len(frames), *frames[0].shape), dtype=dtype)
    for index, (frame, scale) in enumerate(zip(frames, scales, strict=True)):
        # In a wider type: signed numbers would wrap. The result fits, since the range is turned onto itself.
        out[index] = (
            total - scale.apply(frame).astype(np.float64 if rescaled else np.int64)
            if inverted
            else (scale.apply(frame))
        )
    if fill_padding and any(scale.padding for scale in scales):
        _fill_padding(out, frames, scales)
    return out


def _fill_padding(out: NDArray[Any], frames: Sequence[NDArray[Any]], scales: Sequence[Scale]) -> None:
    empty = np.zeros(out.shape, dtype=bool)
    for index, (frame, scale) in enumerate(zip(frames, scales, strict=True)):
        if scale.padding is not None:
            empty[index] = (frame >= scale.padding[0]) & (frame <= scale.padding[1])
    if empty.any() and not empty.all():
        out[empty] = out[~empty].min()


def _scale(header: DicomHeader, pixels: PixelFormat, index: int, padding: tuple[int, int] | None) -> Scale:
    level = header.of_frame(index, _TRANSFORMATION, _RESCALE)
    for name in _RESCALE:
        if level.is_empty(name):
            raise level.fault(name, "empty")
    slope, intercept = (level.number(name) for name in _RESCALE)
    if slope == 0:
        raise level.fault("RescaleSlope", "zero, by which every number becomes the same")
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    unit, mapping = level.text("RescaleType"), _real_world(header, index)
    scale = Scale(slope, intercept, unit, pixels.stored_range, padding, mapping)
    if max(map(abs, scale.ends)) > _LARGEST:
        name = "RescaleSlope" if "RescaleSlope" in level and abs(slope) > 1 else "RescaleIntercept"
        raise level.fault(name, "so great that numbers of 32 bits can't hold the result")
    return scale


def _real_world(header: DicomHeader, index: int) -> tuple[float | None, ...]:
    """Slope and intercept of the first mapping to the real world."""
    for level in (header.per_frame[index] if header.per_frame else None, header.shared, header):
        items = level.items(_MAPPING) if level is not None else []
        if items:
            return tuple(items[0].number(name) for name in _MAPPED)
    return (None, None)


def _padding(header: DicomHeader, pixels: PixelFormat) -> tuple[int, int] | None:
    """The range of stored numbers that are padding."""
    if pixels.photometric not in ("MONOCHROME1", "MONOCHROME2"):
        return None
    value, limit = (header.integer(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if value is None:
        return None
    ends = [_as_stored(end, pixels) for end in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def _as_stored(value: int, pixels: PixelFormat) -> int:
    """Some write a number below zero as the unsigned one of its bits, allocated or stored, or the other way round."""
    if not pixels.signed:
        return value if value >= 0 else value + int(2**pixels.bits_allocated)
    for bits in (pixels.bits_allocated, pixels.bits_stored):
        if value >= 2 ** (bits - 1):
            value -= int(2**bits)
    return value


def _refuse_unread(header: DicomHeader, pixels: PixelFormat) -> None:
    if header.items("ModalityLUTSequence"):
        raise header.fault("ModalityLUTSequence", "a table of intensities, which is not read", "export RescaleSlope")
    shape, photometric = header.text("PresentationLUTShape").upper(), pixels.photometric
    opposite = {"MONOCHROME1": "IDENTITY", "MONOCHROME2": "INVERSE"}.get(photometric)
    if shape and shape == opposite:
        raise header.fault("PresentationLUTShape", f"against {photometric}: which end is bright can't be told")
    if header.text("PixelPresentation").upper() in ("COLOR", "MIXED") and photometric.startswith("MONOCHROME"):
        raise header.fault("PixelPresentation", "colours laid over gray, which are not read", "export it without them")
