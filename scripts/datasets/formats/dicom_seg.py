"""DICOM segmentations: masks that name the frames of the image they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dicom_file import SEGMENTATION, read_header


def is_segmentation(path: Path) -> bool:
    """Whether a DICOM file holds a segmentation.

    Raises:
        FileNotFoundError, ValueError: see ``read_header``.
    """
    return bool(read_header(path).SOPClassUID == SEGMENTATION)


def read_segmentation(path: Path, frames: Sequence[tuple[str, int]]) -> NDArray[Any]:
    """Read the mask of the given frames as (X, Y, Z) of segment numbers; frames that it leaves out are empty.

    Args:
        path: the segmentation.
        frames: SOP instance and frame number of each plane of the image.

    Raises:
        ValueError: it is damaged, belongs to another image, or its segments overlap.
    """
    from highdicom.seg import segread  # half a second, and few need it

    try:
        segmentation = segread(path)
        known = {str(uid) for _, _, uid in segmentation.get_source_image_uids()}
    except Exception:  # a cut file ends in a dozen kinds of error
        raise ValueError(f"{path} is no DICOM segmentation, or is cut short; copy or export it again") from None
    if not known & {uid for uid, _ in frames}:
        raise ValueError(f"{path} was drawn on another image: none of the SOP instances that it names is there")
    try:
        array = _pixels(segmentation, frames)
    except Exception as error:  # highdicom raises many kinds, with what overlaps or is missing
        reason = " ".join(str(error).split())[:160]
        raise ValueError(f"{path}: its segments can't be read as one mask ({reason}); export it again") from None
    return np.moveaxis(array, (0, 1, 2), (2, 1, 0))  # (Z, Y, X) -> (X, Y, Z)


def _pixels(segmentation: Any, frames: Sequence[tuple[str, int]]) -> NDArray[Any]:
    options = {"combine_segments": True, "ignore_spatial_locations": True, "assert_missing_frames_are_empty": True}
    uids = [uid for uid, _ in frames]
    if len(set(uids)) == 1 and len(frames) > 1:
        numbers = [number for _, number in frames]
        array = segmentation.get_pixels_by_source_frame(uids[0], numbers, **options)
    else:
        array = segmentation.get_pixels_by_source_instance(uids, **options)
    return np.asarray(array)
