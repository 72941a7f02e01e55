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

from ..errors import UserError
from .limits import MAX_OFFSET_MM, MAX_SPACING_MM, MIN_SPACING_MM, refuse_too_large
from .regular_files import check_regular_file
from .volume import Volume, spacing_of

_OTHER_UNITS = {1: "metres", 3: "micrometres"}  # the spatial codes of xyzt_units
_SAME_SPACING = 1e-2  # between pixdim, which some programs read, and the affine, which others do


def is_nifti(path: Path) -> bool:
    """Whether the file's name ends as a NIfTI's does."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(path: Path, channel: int | None = None) -> Volume:
    """Read a volume of two or three axes, or one channel of four; axes of length one behind these are dropped.

    Args:
        path: the file.
        channel: which channel of a file with four axes, such as the T2 image of several sequences.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, cut short, too long, too large, has no geometry, two, or one in other units than
            millimetres, or has channels and none is chosen.
    """
    image = _open(path)
    shape = _check_shape(path, image, channel)
    affine = _check_affine(path, image)
    _check_length(path, image)
    try:
        whole = np.asarray(image.dataobj[..., channel] if len(shape) == 4 and shape[3] > 1 else image.dataobj[:])
    except (OSError, EOFError, ValueError, zlib.error):
        raise UserError("is damaged: its numbers can't be read; copy it again", path=path) from None
    array: NDArray[Any] = whole.reshape((*shape[:3], 1)[:3] if len(shape) == 2 else shape[:3])  # (X, Y) -> (X, Y, 1)
    return Volume(array, affine, spacing_of(affine))


def nifti_depth(path: Path) -> int:
    """8 where the numbers have one byte and are not scaled, else 16; from the header."""
    image = _open(path)
    return 8 if image.get_data_dtype().itemsize == 1 and not _scaled(image) else 16


def _open(path: Path) -> Any:
    check_regular_file(path)
    try:
        image = nib.load(path)
        offset, slope = int(image.dataobj.offset), float(_raw_header(path, image)["scl_slope"])
        _ = image.get_data_dtype(), image.affine  # read here, where it is guarded
    except Exception:  # nibabel raises a dozen kinds for a damaged header
        raise UserError("is no NIfTI file, or its header is damaged; copy or convert it again", path=path) from None
    if math.isinf(slope) or offset < 0:
        raise UserError("has an infinite slope or a negative offset; correct its header", path=path)
    return image


def _raw_header(path: Path, image: Any) -> Any:
    """The header as it stands; nibabel replaces a spacing of 0 and an infinite slope when it opens an image."""
    with ImageOpener(path) as file:
        return type(image.header).from_fileobj(file, check=False)


def _scaled(image: Any) -> bool:
    return bool((image.dataobj.slope, image.dataobj.inter) != (1.0, 0.0))


def _check_shape(path: Path, image: Any, channel: int | None) -> tuple[int, ...]:
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        raise UserError(
            f"has the size {' x '.join(map(str, shape))}; 2 or 3 axes are read, or 4 with channels", path=path
        )
    dtype = image.get_data_dtype()
    refuse_too_large(path, shape, 64 if _scaled(image) else dtype.itemsize * 8)  # scaled numbers come as float64
    channels = shape[3] if len(shape) == 4 else 1
    if channel is None and channels > 1:
        raise UserError(
            f"has {channels} channels, none is chosen; choose one by --cases::channel 0 to {channels - 1} "
            "(in inference --channel), or write a mask's classes into one volume",
            path=path,
        )
    if channel is not None and len(shape) == 4 and not 0 <= channel < channels:
        raise UserError(
            f"has {channels} channels, channel {channel} is asked for; choose --cases::channel 0 to {channels - 1} "
            "(in inference --channel)",
            path=path,
        )
    if dtype.fields is not None or dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UserError(f"holds numbers of type {dtype}; convert it to one real number per voxel", path=path)
    return shape


def _check_affine(path: Path, image: Any) -> NDArray[np.float64]:
    affine, header = np.asarray(image.affine, dtype=np.float64), _raw_header(path, image)
    steps = header["pixdim"][1 : 1 + min(len(image.shape), 3)]
    if unit := _OTHER_UNITS.get(int(header["xyzt_units"]) % 8):
        raise UserError(f"tells its geometry in {unit}; write it in millimetres", path=path)
    if not np.isfinite(affine).all() or not (steps > 0).all():
        raise UserError("has no spacing (pixdim must be > 0 and finite); write it with its geometry", path=path)
    spacing = np.array(spacing_of(affine))
    if spacing.min() < MIN_SPACING_MM or spacing.max() > MAX_SPACING_MM or np.abs(affine[:3, 3]).max() > MAX_OFFSET_MM:
        raise UserError(
            f"has a spacing of {' x '.join(f'{step:g}' for step in spacing)} mm or an origin beyond all measure; "
            "write it with its geometry",
            path=path,
        )
    # An image that was fitted to another or to an atlas (sform from 2 on) keeps its scanner's place in qform.
    fitted = header["sform_code"] >= 2 and header["qform_code"] > 0
    if not fitted and not np.allclose(steps, spacing[: len(steps)], rtol=_SAME_SPACING, atol=0.0):
        told, other = (" x ".join(f"{step:.4g}" for step in s) for s in (steps, spacing[: len(steps)]))
        raise UserError(
            f"tells two spacings, {told} mm (pixdim) and {other} mm (sform); leave the right one", path=path
        )
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-6:
        raise UserError("has an affine whose axes lie in a plane; write it with its geometry", path=path)
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
            f"is {fault}: its size {size} of {image.get_data_dtype()} needs {needed} bytes; copy it again", path=path
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
