"""DICOM images: a file of one or many frames, or a folder with a series of single frames.

Frames come in order of their position, or where there is none of their time or number; never of the files' names.
MONAI's PydicomReader gets axes and spacing of multi-frame files wrong; here both come from the header's own groups.
What highdicom's readers accept and these refuse, and the other way round, is in docs/datasets.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .dicom_file import open_header
from .dicom_geometry import place, plane_of, spacing_in_plane
from .dicom_header import DicomHeader
from .dicom_intensity import Scale, check_scales, scales_of, to_intensities
from .dicom_order import order_without_position
from .dicom_pixels import PixelFormat, pixel_format, read_stored
from .dicom_series import check_series, files_of_series, without_reports
from .limits import refuse_too_large
from .volume import Volume, spacing_of

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # the second of label maps


@dataclass(frozen=True)
class _Source:
    """A file before its image is read."""

    header: DicomHeader
    pixels: PixelFormat
    scales: list[Scale]


def read_dicom(path: Path, *, series_uid: str | None = None, is_mask: bool = False) -> Volume:
    """Read a DICOM file, or one series of a folder.

    Args:
        path: the file, or the folder, whose sub-folders are not looked into.
        series_uid: which series of the folder (see ``dicom_series.list_series``); None where it holds one.
        is_mask: whether the numbers are labels, of which none is padding.

    Raises:
        FileNotFoundError: there is no such file, or no DICOM file in the folder.
        ValueError: a file is damaged, files are of several series, slices are missing or lie in one place.
    """
    sources = _open_all(path, series_uid)
    if len(sources) > 1:
        check_series([source.header for source in sources], [source.pixels for source in sources])
    first = sources[0].pixels
    count = sum(source.pixels.frames for source in sources)
    refuse_too_large(path, (first.columns, first.rows, count, first.samples), first.bits_allocated)
    order, affine, spacing, several_scales = _arrange(path, sources)
    frames, burnt_in = _read_frames(path, sources, order, is_mask)
    volume = Volume(
        array=np.ascontiguousarray(np.moveaxis(frames, (0, 1, 2), (2, 1, 0))),  # (Z, Y, X, ...) -> (X, Y, Z, ...)
        affine=affine,
        spacing=spacing,
        frames=tuple((sources[i].header.text("SOPInstanceUID"), frame + 1) for i, frame in order),
        notes=(*burnt_in, *several_scales),
    )
    return _identify(volume, [source.header for source in sources])


def dicom_depth(path: Path) -> int:
    """8 where the numbers have one byte and no frame of any file is scaled, else 16; from the headers."""
    sources = _open_all(path, None)
    scaled = any(scale.changes for source in sources for scale in source.scales)
    return 8 if max(source.pixels.bits_allocated for source in sources) <= 8 and not scaled else 16


def _open_all(path: Path, series_uid: str | None) -> list[_Source]:
    """The files of a series; what lies beside them and holds no image, such as a report, is left out."""
    headers = [open_header(file) for file in files_of_series(path, series_uid)]
    return [_open(header) for header in (without_reports(headers) if path.is_dir() else headers)]


def _open(header: DicomHeader) -> _Source:
    if header.text("SOPClassUID") in SEGMENTATIONS:
        raise UserError("is a DICOM segmentation where an image is meant; give the image's file", path=header.path)
    pixels = pixel_format(header)
    return _Source(header, pixels, scales_of(header, pixels))


def _arrange(
    path: Path, sources: Sequence[_Source]
) -> tuple[list[tuple[int, int]], NDArray[np.float64] | None, tuple[float, ...] | None, tuple[str, ...]]:
    """Order all frames, each told by its file's index and its own, and find their place and spacing; and a note."""
    every = [(i, frame) for i, source in enumerate(sources) for frame in range(source.pixels.frames)]
    planes = [plane_of(sources[i].header, frame) for i, frame in every]
    headers = [source.header for source in sources]
    if not any(planes):
        order = list(range(len(every))) if len(sources) == 1 else order_without_position(path, headers)
        spacing, notes = spacing_in_plane(headers)
        return [every[i] for i in order], None, spacing, notes
    order, affine = place(path, planes)
    assert affine is not None
    in_patient = all(plane is not None and plane.in_patient for plane in planes)
    return [every[i] for i in order], affine if in_patient else None, spacing_of(affine), ()


def _read_frames(
    path: Path, sources: Sequence[_Source], order: Sequence[tuple[int, int]], is_mask: bool
) -> tuple[NDArray[Any], tuple[str, ...]]:
    stored = [read_stored(source.header, source.pixels) for source in sources]
    scales = [sources[i].scales[frame] for i, frame in order]
    check_scales(path, scales)
    frames = to_intensities(
        [stored[i][frame] for i, frame in order],
        scales,
        inverted=sources[0].pixels.photometric == "MONOCHROME1",
        fill_padding=not is_mask,
    )
    burnt = any(source.header.text("BurnedInAnnotation").upper() == "YES" for source in sources)
    return frames, ("its header says that text is burnt into its pixels: look for names",) if burnt else ()


def _identify(volume: Volume, headers: Sequence[DicomHeader]) -> Volume:
    """Add whose image it is, and the space that its positions are told in."""
    names = ("PatientID",) if volume.affine is None else ("PatientID", "FrameOfReferenceUID")
    for name in names:
        for header in headers:
            if header.words(name) != headers[0].words(name):
                raise UserError(
                    f": its {name} is not that of the first file; keep one series a folder", path=header.path
                )
    return replace(
        volume, patient_id=headers[0].words("PatientID"), frame_of_reference=headers[0].words("FrameOfReferenceUID")
    )
