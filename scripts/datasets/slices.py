"""From an image and its mask to the 2-D PNG slices that training reads.

The same steps that inference runs on a whole volume, by the same MONAI transforms: clip at two percentiles of the
volume, scale to 0..1 (``intensity.py``), bring to the slices' grid (``slice_grid.py``). Slices on the disk differ from
inference only by rounding to the PNG depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from .cases import Case
from .intensity import scale_intensities
from .pairs import Pair, read_pair
from .slice_grid import PixelSpacing, SliceGrid

IMAGES, LABELS, ORIGINAL_LABELS = "images", "labels", "original_labels"
# Level 1 is five times as fast as the default and costs a tenth more disk on noisy images.
_COMPRESS_LEVEL = 1


def write_case(
    case: Case,
    folder: Path,
    *,
    labels: Sequence[str],
    image_size: tuple[int, int],
    intensity_max: int,
    ignore_index: int | None,
    in_channels: int = 1,
    pixel_spacing: PixelSpacing = None,
) -> tuple[list[list[int]], Pair]:
    """Write the slices of one case as ``images/<case>_<slice>.png`` and ``labels/<case>_<slice>.png``.

    Its mask goes to ``original_labels/<case>.npz`` too, in its own size: what a prediction is scored against.

    Args:
        case: the case.
        folder: holds the folders ``images``, ``labels`` and ``original_labels``.
        labels: names of the classes.
        image_size: pixels along x and y.
        intensity_max: 255 for PNGs of 8 bits, 65535 for 16.
        ignore_index: value of the pixels that belong to no class, or None.
        in_channels: 1 for gray PNGs, 3 for colour.
        pixel_spacing: see ``SliceGrid``.

    Returns:
        For each slice the pixels of each class at ``image_size``; and the case as it was read.

    Raises:
        FileNotFoundError, ValueError: see ``read_pair``; the image is nearly constant.
    """
    pair = read_pair(case, labels, ignore_index, in_channels)
    grid, pair = place_slices(case, pair, image_size, pixel_spacing, len(labels))
    scaled = _slices_of(scale_intensities(pair.image, pair.source.full_scale, case.image), grid)
    pixels = np.rint(scaled * intensity_max).astype(np.uint8 if intensity_max == 255 else np.uint16)
    mask = grid.mask(pair.label)
    for index in range(mask.shape[-1]):
        name = slice_name(case.name, index)
        _write_png(folder / IMAGES / name, _picture(pixels[..., index]))
        _write_png(folder / LABELS / name, mask[:, :, index])
    np.savez_compressed(folder / ORIGINAL_LABELS / original_label_name(case.name), label=pair.label)
    return count_classes(mask, len(labels)), pair


def count_classes(mask: NDArray[np.uint8], num_classes: int) -> list[list[int]]:
    """For each slice of a mask (X, Y, Z) the pixels of each class, ignored ones left out."""
    planes = np.moveaxis(mask, 2, 0)
    return [np.bincount(plane.ravel(), minlength=num_classes)[:num_classes].tolist() for plane in planes]


def slice_name(case_name: str, index: int) -> str:
    """File name of a slice."""
    return f"{case_name}_{index:03d}.png"


def original_label_name(case_name: str) -> str:
    """File name of a case's mask in its own size."""
    return f"{case_name}.npz"


def place_slices(
    case: Case, pair: Pair, image_size: tuple[int, int], pixel_spacing: PixelSpacing, num_classes: int
) -> tuple[SliceGrid, Pair]:
    """Where the slices of a case lie, and the case with a note where they show only parts of its objects.

    Raises:
        ValueError: see ``SliceGrid``.
    """
    grid = SliceGrid.of(pair.label.shape, pair.source.spacing, image_size, pixel_spacing, case.image)
    if not grid.loses_objects(pair.label, num_classes):
        return grid, pair
    note = "objects reach out of the slices and are cut; raise image_size or pixel_spacing"
    return grid, replace(pair, notes=(*pair.notes, note))


def _slices_of(image: torch.Tensor, grid: SliceGrid) -> NDArray[np.float32]:
    """Bring (C, X, Y, Z) to (C, width, height, Z), its slices as channels: ten times as fast as in 3-D with Z kept."""
    slices = [grid.image(channel.permute(2, 0, 1)).permute(1, 2, 0) for channel in image]
    return np.asarray(torch.stack(slices).cpu().numpy(), dtype=np.float32)


def _picture(pixels: NDArray[Any]) -> NDArray[Any]:
    """(C, X, Y) as (X, Y) or, for colour, (X, Y, 3)."""
    return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)


def _write_png(path: Path, plane: NDArray[Any]) -> None:
    """Write (X, Y) or (X, Y, 3) so that MONAI's PILReader, which swaps a picture's rows and columns, gives it back."""
    Image.fromarray(np.ascontiguousarray(np.swapaxes(plane, 0, 1))).save(path, compress_level=_COMPRESS_LEVEL)
