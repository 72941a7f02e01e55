"""NIfTI volumes (.nii, .nii.gz), checked before their numbers are read."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener
from numpy.typing import NDArray

from ..errors import MissingFileError, UserError
from .limits import refuse_too_large
from .volume import Volume, spacing_of


def is_nifti(path: Path) -> bool:
    """Whether the file's name ends as a NIfTI's does."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(path: Path, channel: int | None = None) -> Volume:
    """Read a volume of two or three axes, or one channel of four.

    Args:
        path: the file.
        channel: which channel of a file with four axes, such as the T2 image of several sequences.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, cut short, too long, too large, has no geometry, or has channels and none is chosen.
    """
    image = _open(path)
    shape = _check_shape(path, image, channel)
    affine = _check_affine(path, image)
    _check_length(path, image)
    try:
        numbers = image.dataobj[..., channel] if len(shape) == 4 else image.dataobj[:]
    except (OSError, EOFError, ValueError, zlib.error):
        raise UserError(f"{path} is damaged: its numbers can't be read; copy it again") from None
    array: NDArray[Any] = np.asarray(numbers)
    array = array.reshape(*array.shape, *(1,) * (3 - array.ndim))  # (X, Y) -> (X, Y, 1)
    return Volume(array, affine, spacing_of(affine))


def nifti_depth(path: Path) -> int:
    """8 where the numbers have one byte and are not scaled, else 16; from the header."""
    header = _open(path).header
    slope, inter = header.get_slope_inter()
    return 8 if header.get_data_dtype().itemsize == 1 and slope in (None, 1.0) and not inter else 16


def _open(path: Path) -> Any:
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; check the path")
    try:
        return nib.load(path)
    except Exception:  # nibabel raises a dozen kinds for a damaged header
        raise UserError(f"{path} is no NIfTI file, or its header is damaged; copy or convert it again") from None


def _check_shape(path: Path, image: Any, channel: int | None) -> tuple[int, ...]:
    shape = tuple(int(n) for n in image.shape)
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        raise UserError(f"{path} has the size {' x '.join(map(str, shape))}; 2 or 3 axes are read, or 4 with channels")
    refuse_too_large(path, shape, image.get_data_dtype().itemsize * 8)
    if len(shape) == 4 and (channel is None or not 0 <= channel < shape[3]):
        asked = "none is chosen" if channel is None else f"channel {channel} is asked for"
        raise UserError(f"{path} has {shape[3]} channels, {asked}; choose one by --cases::channel 0 to {shape[3] - 1}")
    if image.get_data_dtype().fields is not None or image.get_data_dtype().kind not in "iuf":
        raise UserError(f"{path} holds numbers of type {image.get_data_dtype()}; convert it to one real number a voxel")
    return shape


def _check_affine(path: Path, image: Any) -> NDArray[np.float64]:
    affine = np.asarray(image.affine, dtype=np.float64)
    with ImageOpener(path) as file:  # nibabel mends a spacing of 0 when it opens an image
        steps = type(image.header).from_fileobj(file, check=False)["pixdim"][1 : 1 + min(len(image.shape), 3)]
    if not np.isfinite(affine).all() or not (steps > 0).all():
        raise UserError(f"{path} has no spacing (pixdim must be > 0 and finite); write it with its geometry")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UserError(f"{path} has an affine whose axes lie in a plane; write it with its geometry")
    return affine


def _check_length(path: Path, image: Any) -> None:
    """Compare the bytes that follow the header with those that the size needs, without keeping them."""
    needed = int(image.dataobj.offset) + math.prod(image.shape) * image.get_data_dtype().itemsize
    packed = path.name.lower().endswith(".gz")
    found = _inflated(path, needed) if packed else path.stat().st_size
    if found != needed:
        fault = "too long" if found > needed else "truncated"
        size = " x ".join(map(str, image.shape))
        raise UserError(
            f"{path} is {fault}: its size {size} of {image.get_data_dtype()} needs {needed} bytes; copy it again"
        )


def _inflated(path: Path, needed: int) -> int:
    """Count the bytes of a gzip file, little further than needed."""
    found = 0
    try:
        with gzip.open(path) as file:
            while found <= needed and (block := file.read(1_048_576)):
                found += len(block)
    except (OSError, EOFError, zlib.error):
        return min(found, needed - 1)
    return found
