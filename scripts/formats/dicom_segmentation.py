"""DICOM segmentations: masks that name the frames of the image they belong to, or where these lie.

Binary ones, label maps, and fractional ones whose fractions are all or nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .dicom_file import open_header
from .dicom_geometry import Plane, plane_of
from .dicom_header import DicomHeader
from .dicom_image import SEGMENTATIONS
from .dicom_pixels import PALETTE, PixelFormat, pixel_format, read_stored
from .volume import Volume

_IN_PLACE = 0.1  # of a voxel, that a frame may lie beside its plane
_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
_ANOTHER = "was drawn on another image: neither the names nor the places of its frames are there"


def is_segmentation(path: Path) -> bool:
    """Whether a DICOM file holds a segmentation.

    Raises:
        FileNotFoundError, ValueError: see ``open_header``.
    """
    return open_header(path).text("SOPClassUID") in SEGMENTATIONS


def read_segmentation(path: Path, image: Volume) -> NDArray[Any]:
    """Read the mask of an image as (X, Y, Z) of segment numbers; planes that it leaves out are empty.

    Args:
        path: the segmentation.
        image: what it was drawn on.

    Raises:
        ValueError: it is damaged, belongs to another image, has another grid, or its segments overlap.
    """
    header = open_header(path)
    pixels = pixel_format(header)
    if len(header.per_frame) != pixels.frames:
        raise UserError(f"has {pixels.frames} frames and describes {len(header.per_frame)}; export it again", path=path)
    size = (pixels.columns, pixels.rows)
    if size != image.array.shape[:2]:
        ours, theirs = (" x ".join(map(str, s)) for s in (size, image.array.shape[:2]))
        raise UserError(f": its size {ours} is not that of its image, {theirs}; export it on that grid", path=path)
    numbers = _segment_numbers(header, pixels)
    frames = _whole_values(header, pixels, numbers)
    mask = np.zeros(image.array.shape[:3], dtype=np.uint16)
    seen: set[tuple[int, int | None]] = set()
    for index, frame in enumerate(frames):
        number, z = _segment(header, index, numbers), _find_plane(header, index, image)
        if (z, number) in seen:
            raise UserError("shows a segment twice in one plane of its image; export it again", path=path)
        seen.add((z, number))
        plane, drawn = mask[:, :, z], frame.T > 0  # (Y, X) -> (X, Y)
        if (plane[drawn] != 0).any():
            raise UserError(": its segments overlap; export segments that part the image", path=path)
        plane[drawn] = frame.T[drawn] if number is None else number
    return mask


def _segment_numbers(header: DicomHeader, pixels: PixelFormat) -> set[int]:
    """The segments that the file describes; empty where it describes none."""
    if header.text("SegmentationType") not in _KINDS:
        raise header.fault("SegmentationType", f"none of {', '.join(_KINDS)}")
    if pixels.photometric not in ("MONOCHROME2", PALETTE) or pixels.signed:
        raise UserError(
            f"is a segmentation in {pixels.photometric} or of signed numbers; export it again", path=header.path
        )
    return {segment.integer("SegmentNumber") or 0 for segment in header.items("SegmentSequence")}


def _whole_values(header: DicomHeader, pixels: PixelFormat, numbers: set[int]) -> NDArray[Any]:
    """The frames, checked to hold what a segmentation of its kind may: all or nothing, or segments described."""
    frames = read_stored(header, pixels, colours=False)
    kind, found = header.text("SegmentationType"), set(np.unique(frames).tolist())
    if kind == "LABELMAP" and (strange := sorted(found - numbers - {0})) and numbers:
        raise UserError(f"holds segment {strange[0]}, which it does not describe; export it again", path=header.path)
    if kind == "LABELMAP" and max(found) > np.iinfo(np.uint16).max:
        raise UserError(
            f"holds segment {max(found)}, at most 65535 are read; number its segments again", path=header.path
        )
    if kind == "FRACTIONAL":
        whole = header.integer("MaximumFractionalValue")
        if whole is None:
            raise UserError("is fractional and has no MaximumFractionalValue; export it as binary", path=header.path)
        if found - {0, whole}:
            raise UserError(
                f"holds fractions of a segment, such as {min(found - {0, whole})} of {whole}; "
                "threshold it and export it as a binary segmentation",
                path=header.path,
            )
    return frames


def _segment(header: DicomHeader, index: int, numbers: set[int]) -> int | None:
    """The segment of a frame; None in a label map, whose pixels are segment numbers themselves."""
    if header.text("SegmentationType") == "LABELMAP":
        return None
    name = "ReferencedSegmentNumber"
    level = header.of_frame(index, "SegmentIdentificationSequence", [name])
    number = level.integer(name)
    if number is None:
        raise UserError("does not say which segment a frame shows; export it again", path=header.path)
    if not 1 <= number <= np.iinfo(np.uint16).max or (numbers and number not in numbers):
        raise level.fault(name, "a segment that the file does not describe")
    return number


def _find_plane(header: DicomHeader, index: int, image: Volume) -> int:
    """The plane of the image that a frame was drawn on, by place and by name; where both are told they must agree."""
    named = _named_planes(header, index, image)
    known = {plane for plane in named if plane is not None}
    plane = plane_of(header, index)
    if plane is not None and plane.in_patient and image.affine is not None:
        same_space = header.words("FrameOfReferenceUID") == image.frame_of_reference
        if not known and not same_space:
            raise UserError(_ANOTHER, path=header.path)
        z = _plane_at(header, plane, image)
        if known and z not in known:
            raise UserError(f": frame {index + 1} names one plane of its image and lies in another", path=header.path)
        return z
    if len(known) == 1 and None not in named:
        return known.pop()
    if known:
        raise UserError(f": frame {index + 1} names several planes and has no place; export it again", path=header.path)
    raise UserError(_ANOTHER, path=header.path)


def _named_planes(header: DicomHeader, index: int, image: Volume) -> set[int | None]:
    """The planes of the image that a frame names as its source; None stands for those of other images."""
    planes: set[int | None] = set()
    for derivation in header.per_frame[index].items("DerivationImageSequence"):
        for source in derivation.items("SourceImageSequence"):
            uid = source.text("ReferencedSOPInstanceUID")
            numbers = source.whole_numbers("ReferencedFrameNumber") or (1,)
            planes |= {image.frames.index((uid, n)) if (uid, n) in image.frames else None for n in numbers}
    return planes


def _plane_at(header: DicomHeader, plane: Plane, image: Volume) -> int:
    """The plane of the image where a frame lies, pixel on pixel."""
    assert image.affine is not None
    x, y, z = image.array.shape[:3]
    corners = [(0, 0), (x - 1, 0), (0, y - 1)]
    steps = plane.axes * np.array(plane.spacing)[:, np.newaxis]
    points = np.array([plane.position + np.array(corner) @ steps for corner in corners]) * [-1, -1, 1]  # LPS -> RAS
    indices = np.linalg.solve(image.affine, np.c_[points, np.ones(3)].T)[:3].T
    found = round(float(indices[0, 2]))
    expected = np.array([[*corner, found] for corner in corners])
    if not 0 <= found < z or np.abs(indices[0] - expected[0]).max() > _IN_PLACE:
        raise UserError(_ANOTHER, path=header.path)
    if np.abs(indices - expected).max() > _IN_PLACE * 5:  # over a whole row, where rounding adds up
        raise UserError("has another direction or spacing than its image; export it on that grid", path=header.path)
    return found
