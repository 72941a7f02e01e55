"""DICOM segmentations: masks that name the frames of the image they belong to, or where these lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .dicom_file import SEGMENTATION, num_frames, read_frames, read_header
from .volume import Volume

_IN_PLACE = 0.1  # of a voxel, that a frame may lie beside its plane


def is_segmentation(path: Path) -> bool:
    """Whether a DICOM file holds a segmentation.

    Raises:
        FileNotFoundError, ValueError: see ``read_header``.
    """
    return bool(read_header(path).SOPClassUID == SEGMENTATION)


def read_segmentation(path: Path, image: Volume) -> NDArray[np.uint8]:
    """Read the mask of an image as (X, Y, Z) of segment numbers; planes that it leaves out are empty.

    Args:
        path: the segmentation.
        image: what it was drawn on.

    Raises:
        ValueError: it is damaged, belongs to another image, has another size, or its segments overlap.
    """
    header = read_header(path)
    groups = list(header.get("PerFrameFunctionalGroupsSequence") or [])
    if len(groups) != num_frames(header):
        raise UserError(f"{path} has {num_frames(header)} frames and describes {len(groups)}; export it again")
    size = (header.Columns, header.Rows)
    if size != image.array.shape[:2]:
        ours, theirs = (" x ".join(map(str, s)) for s in (size, image.array.shape[:2]))
        raise UserError(f"{path}: its size {ours} is not that of its image, {theirs}; export it on that grid")
    frames = _whole_values(path, header)
    mask = np.zeros(image.array.shape[:3], dtype=np.uint8)
    for frame, group in zip(frames, groups, strict=True):
        plane, number = mask[:, :, _plane_of(path, group, header, image)], _segment(path, group, header)
        drawn = frame.T > 0  # (Y, X) -> (X, Y)
        if (plane[drawn] != 0).any():
            raise UserError(f"{path}: its segments overlap; export segments that part the image")
        plane[drawn] = frame.T[drawn] if number is None else number
    return mask


def _whole_values(path: Path, header: Any) -> NDArray[Any]:
    """The frames, of fractional ones those that are all or nothing."""
    frames = read_frames(path, header)
    values = np.unique(frames)
    if header.get("SegmentationType") == "FRACTIONAL" and not set(values.tolist()) <= {0, int(values.max())}:
        raise UserError(f"{path} holds fractions of a segment; export it as a binary segmentation")
    return frames


def _segment(path: Path, group: Any, header: Any) -> int | None:
    """The segment of a frame; None in a label map, whose pixels are segment numbers themselves."""
    if header.get("SegmentationType") == "LABELMAP":
        return None
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    for place in (group, shared):
        if place is not None and place.get("SegmentIdentificationSequence"):
            return int(place.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    raise UserError(f"{path} does not say which segment a frame shows; export it again")


def _plane_of(path: Path, group: Any, header: Any, image: Volume) -> int:
    """The plane of the image that a frame was drawn on: by name, or else by place."""
    for derivation in group.get("DerivationImageSequence") or []:
        for source in derivation.get("SourceImageSequence") or []:
            numbers = source.get("ReferencedFrameNumber", 1)
            number = int(numbers[0] if isinstance(numbers, list | tuple) or hasattr(numbers, "__len__") else numbers)
            if (str(source.get("ReferencedSOPInstanceUID")), number) in image.frames:
                return image.frames.index((str(source.get("ReferencedSOPInstanceUID")), number))
    position = group.get("PlanePositionSequence")
    if position and image.affine is not None:
        lps = np.array(position[0].ImagePositionPatient, dtype=float)
        index = np.linalg.solve(image.affine, [-lps[0], -lps[1], lps[2], 1.0])[:3]
        plane = round(float(index[2]))
        if np.abs(index - [0, 0, plane]).max() < _IN_PLACE and 0 <= plane < image.array.shape[2]:
            return plane
    raise UserError(f"{path} was drawn on another image: neither the names nor the places of its frames are there")
