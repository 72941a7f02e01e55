"""The one rule for intensities: preparing, the check's pictures and inference bring an image to 0..1 alike.

Volumes and deep pictures are scaled between two percentiles of their own. Pictures of 8 bits or less keep theirs: a
photograph's black and white mean the same in every photograph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import ScaleIntensityRange
from monai.transforms.utils_pytorch_numpy_unification import percentile
from numpy.typing import NDArray

from ..errors import UserError

PERCENTILES = (0.5, 99.5)
_GREATEST, _LEAST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
_VOXELS_AT_ONCE = 2**18  # the scaling of more takes memory of its own, of fewer time
_LEVELS = 2**16  # a range that float32 parts into at least 2**8 steps lies within so many of its widths from 0


def refuse_unusable(array: NDArray[Any], path: str | Path) -> None:
    """Refuse an image that shows nothing, or whose numbers 32-bit floats can't hold.

    Args:
        array: the numbers as their file has them, any shape.
        path: the file, for the message.

    Raises:
        ValueError: a number is NaN or infinite, all are equal, or they are too large, too small or too close together.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError("holds NaN or infinite values; repair or remove the case", path=path)
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise UserError(f"is constant (every voxel is {low:g}); replace or remove the case", path=path)
    if np.can_cast(array.dtype, np.float32):
        return
    greatest, width = max(abs(low), abs(high)), high / 2 - low / 2
    if greatest > _GREATEST or width < _LEAST * _LEVELS:
        fault = f"holds numbers from {low:.9g} to {high:.9g}, which 32-bit floats can't hold"
    elif greatest / width > 2 * _LEVELS:
        fault = f"holds numbers from {low:.17g} to {high:.17g}, too close together for 32-bit floats"
    else:
        return
    raise UserError(f"{fault}; subtract an offset or scale them, and save it again", path=path)


def intensity_window(array: NDArray[Any], full_scale: int | None) -> tuple[float, float]:
    """The numbers that become 0 and 1.

    Args:
        array: the image, its channels included.
        full_scale: see ``Volume``.
    """
    if full_scale is not None:
        return 0.0, float(full_scale)
    low, high = np.percentile(array, PERCENTILES)
    return float(low), float(high)


def scale_intensities(
    image: NDArray[np.float32], full_scale: int | None, path: str | Path, *, overwrite: bool = False
) -> torch.Tensor:
    """Bring an image to 0..1, all of its channels alike.

    The same numbers as MONAI's ``ScaleIntensityRangePercentiles``, which takes five times the image's memory.

    Args:
        image: (C, X, Y, Z).
        full_scale: see ``Volume``.
        path: the file, for the message.
        overwrite: let the result take the place of ``image``, which is lost.

    Returns:
        float32 (C, X, Y, Z), clipped to 0..1.

    Raises:
        ValueError: nearly all of its numbers are equal.
    """
    given = torch.from_numpy(image)
    if full_scale is not None:
        return given.div_(full_scale) if overwrite else given / full_scale
    low, high = (percentile(given, percent) for percent in PERCENTILES)
    if low == high:
        raise UserError(
            f"is nearly constant: 99 % of its voxels are {float(low):g}; crop, replace or remove the case", path=path
        )
    scale = ScaleIntensityRange(low, high, b_min=0.0, b_max=1.0, clip=True)
    scaled = given if overwrite else torch.empty_like(given)
    planes = max(1, _VOXELS_AT_ONCE * given.shape[1] // given.numel())
    for first in range(0, given.shape[1], planes):
        part = slice(first, first + planes)
        scaled[:, part] = scale(given[:, part])
    return scaled
