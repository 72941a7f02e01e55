"""From an image and its mask to the 2-D PNG slices that training reads.

The same steps that inference runs on a whole volume, by the same MONAI transforms: clip at two percentiles of the
volume, scale to 0..1 (``intensity.py``), resize in plane. Slices on the disk differ from
inference only by rounding to the PNG depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Resize
from numpy.typing import NDArray
from PIL import Image

from .cases import Case
from .intensity import scale_intensities
from .pairs import Pair, read_pair

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

    Returns:
        For each slice the pixels of each class at ``image_size``; and the case as it was read.

    Raises:
        FileNotFoundError, ValueError: see ``read_pair``; the image is nearly constant.
    """
    pair = read_pair(case, labels, ignore_index, in_channels)
    scaled = _resize_image(scale_intensities(pair.image, pair.source.full_scale, case.image), image_size)
    pixels = np.rint(scaled * intensity_max).astype(np.uint8 if intensity_max == 255 else np.uint16)
    mask = resize_label(pair.label, image_size)
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


def _resize_image(image: torch.Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize (C, X, Y, Z) in plane."""
    resize = Resize(size, mode="bilinear", align_corners=False, anti_aliasing=True)
    return np.stack([_in_plane(resize, channel) for channel in image])


def resize_label(label: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a mask (X, Y, Z) in plane; each pixel takes the class of the voxel that its middle lies in."""
    resize = Resize(size, mode="nearest-exact")
    return _in_plane(resize, torch.from_numpy(label.astype(np.float32))).astype(np.uint8)


def _in_plane(resize: Resize, volume: torch.Tensor) -> NDArray[np.float32]:
    """Resize (X, Y, Z) with its slices as channels: the same as in 3-D with Z kept, and ten times as fast."""
    resized = resize(volume.permute(2, 0, 1))  # (X, Y, Z) -> (Z, X, Y)
    return np.asarray(resized.permute(1, 2, 0).cpu().numpy(), dtype=np.float32)


def _picture(pixels: NDArray[Any]) -> NDArray[Any]:
    """(C, X, Y) as (X, Y) or, for colour, (X, Y, 3)."""
    return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)


def _write_png(path: Path, plane: NDArray[Any]) -> None:
    """Write (X, Y) or (X, Y, 3) so that MONAI's PILReader, which swaps a picture's rows and columns, gives it back."""
    Image.fromarray(np.ascontiguousarray(np.swapaxes(plane, 0, 1))).save(path, compress_level=_COMPRESS_LEVEL)
