"""Masks and probabilities as files in the geometry of their image: MetaImage, NIfTI and pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
from monai.data import ITKWriter
from numpy.typing import NDArray
from PIL import Image

from ..formats.itk_loading import itk_alone
from ..formats.volume import Volume
from ..palette import as_rgb, class_colours
from .inputs import Input


def write_metaimage(path: Path, mask: NDArray[np.uint8], case: Input, volume: Volume) -> None:
    """Write a mask as MetaImage, compressed; of two axes where its image is a MetaImage of two.

    Args:
        path: ends in .mhd or .mha.
        mask: (X, Y, Z).
        case: where the image is from.
        volume: the image, for its geometry.
    """
    planar = case.kind == "metaimage" and _axes_of_metaimage(case.path) == 2
    array = mask[..., 0] if planar else mask
    with itk_alone():
        image = ITKWriter.create_backend_obj(array, channel_dim=None, affine=_affine(volume), dtype=np.uint8)
        itk.imwrite(image, str(path), compression=True)


def write_nifti(path: Path, array: NDArray[Any], case: Input, volume: Volume) -> None:
    """Write a mask (X, Y, Z), or probabilities (X, Y, Z, K), as NIfTI-1.

    Where the image is NIfTI its geometry is taken as it stands, every number and code of it, and nothing else: a header
    has free text that may name a person.
    """
    image = nib.Nifti1Image(array, _affine(volume))
    image.header.set_xyzt_units("mm")
    if case.kind == "nifti":
        source = nib.load(case.path)
        if source.ndim == 2 and array.ndim == 3:
            image = nib.Nifti1Image(array[..., 0], source.affine)
        for form in ("sform", "qform"):
            affine, code = getattr(source, f"get_{form}")(coded=True)
            getattr(image, f"set_{form}")(affine, int(code), update_affine=False)
        image.header["pixdim"][:4] = source.header["pixdim"][:4]
    nib.save(image, path)


def write_pictures(path: Path, mask: NDArray[np.uint8], labels: Sequence[str], numbers: Sequence[int]) -> None:
    """Write a mask as PNG with a palette: its numbers are classes, shown in the colours of all overlays.

    Args:
        path: the file of one plane, or the folder of several.
        mask: (X, Y, Z).
        labels: class names, index = class value.
        numbers: of each plane, for the names of several.
    """
    if mask.shape[2] == 1:
        _write_png(path, mask[..., 0], labels)
        return
    path.mkdir()
    for z, number in enumerate(numbers):
        _write_png(path / f"{number:04d}.png", mask[..., z], labels)


def _write_png(path: Path, plane: NDArray[np.uint8], labels: Sequence[str]) -> None:
    picture = Image.fromarray(np.ascontiguousarray(plane.T))  # (X, Y) -> rows
    picture.putpalette([number for colour in class_colours(labels) for number in as_rgb(colour)])
    picture.save(path, format="PNG")


def _affine(volume: Volume) -> NDArray[np.float64]:
    """The image's, or where it lies nowhere in space, its spacing alone along ITK's axes."""
    if volume.affine is not None:
        return volume.affine
    steps = [*(volume.spacing or ()), 1.0, 1.0, 1.0][:3]
    return np.diag([-steps[0], -steps[1], steps[2], 1.0])  # LPS's first two axes run against RAS's


def _axes_of_metaimage(path: Path) -> int:
    with path.open("rb") as file:
        found = re.search(rb"^\s*NDims\s*=\s*(\d+)", file.read(65_536), re.MULTILINE)
    return int(found[1]) if found else 3
