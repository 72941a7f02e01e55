"""From a file to what a network sees, by the readers and the intensity rule of the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms.transform import Transform
from numpy.typing import NDArray

from ..datasets.intensity import refuse_unusable, scale_intensities
from ..datasets.preparation_settings import check_size
from ..datasets.slice_grid import SliceGrid, check_pixel_spacing
from ..errors import UserError
from ..formats.reading import read_image
from ..formats.volume import Volume
from .inputs import Input


class LoadInput(Transform):  # type: ignore[misc]  # MONAI has no types
    """Read an image and bring its intensities to 0..1 as preparing does.

    Args:
        in_channels: of the network, 1 for gray or 3 for colour.
    """

    def __init__(self, in_channels: int) -> None:
        self.in_channels = in_channels

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add ``volume``, the image as its file has it, and ``image``, float32 (C, X, Y, Z).

        Raises:
            FileNotFoundError, ValueError: the image is unreadable or would be refused in preparing.
        """
        case: Input = data["case"]
        if case.fault:
            raise UserError(case.fault)
        try:
            volume = read_image(case.path, series_uid=case.series_uid)
        except UserError:
            raise
        except OSError as error:
            raise UserError(f"can't be read: {error.strerror}; correct its permissions", path=case.path) from error
        refuse_unusable(volume.array, case.path)
        image = _channels(case, volume, self.in_channels).astype(np.float32)
        scaled = scale_intensities(image, volume.full_scale, case.path)
        return {**data, "volume": volume, "image": scaled, "shown": _as_bytes(scaled)}


class ResizeInPlane(Transform):  # type: ignore[misc]  # MONAI has no types
    """Bring the slices of an image to the network's size, as preparing does.

    Args:
        image_size: pixels along x and y, or one number for both.
        pixel_spacing: millimetres of a slice's pixel, or None; see ``SliceGrid``.
    """

    def __init__(self, image_size: int | Sequence[int], pixel_spacing: float | Sequence[float] | None = None) -> None:
        self.size, self.pixel_spacing = check_size(image_size), check_pixel_spacing(pixel_spacing)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replace ``image`` (C, X, Y, Z) by (C, width, height, Z), and add its ``grid``.

        Raises:
            ValueError: the network has a pixel spacing, and the image's is unknown.
        """
        volume, case = data["volume"], data["case"]
        grid = SliceGrid.of(volume.array.shape, volume.spacing, self.size, self.pixel_spacing, case.path)
        planes = data["image"].permute(0, 3, 1, 2)  # (C, X, Y, Z) -> (C, Z, X, Y): slices as channels
        resized = torch.stack([grid.image(channel) for channel in planes])
        return {**data, "grid": grid, "image": resized.permute(0, 2, 3, 1)}


def _channels(case: Input, volume: Volume, wanted: int) -> NDArray[Any]:
    """Bring (X, Y, Z) or (X, Y, Z, 3) to (C, X, Y, Z); colour becomes gray only where it is gray already."""
    array = volume.array
    if not volume.coloured:
        return np.repeat(array[np.newaxis], wanted, axis=0)
    if wanted == 1 and (array[..., :1] != array).any():
        raise UserError("is coloured, and the network was trained on gray images; convert it to gray", path=case.path)
    return array[np.newaxis, ..., 0] if wanted == 1 else np.moveaxis(array, 3, 0)


def _as_bytes(scaled: torch.Tensor) -> NDArray[np.uint8]:
    """What pictures show of an image: a quarter of its memory."""
    return np.asarray((torch.as_tensor(scaled) * 255).round().to(torch.uint8).numpy(), dtype=np.uint8)
