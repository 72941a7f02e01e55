"""From a file to what a network sees, by the readers and the intensity rule of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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

_AT_A_TIME = 8  # slices, so that working memory is that of a few


class LoadInput(Transform):  # type: ignore[misc]  # MONAI has no types
    """Read an image and bring its intensities to 0..1 as preparing does.

    Args:
        in_channels: of the network, 1 for gray or 3 for colour.
        channel: which channel of NIfTI files with four axes; None refuses files of several.
    """

    def __init__(self, in_channels: int, channel: int | None = None) -> None:
        self.in_channels, self.channel = in_channels, channel

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add ``volume``, the image as its file has it but without its numbers, and ``image``, float32 (C, X, Y, Z).

        Raises:
            FileNotFoundError, ValueError: the image is unreadable or would be refused in preparing.
        """
        case: Input = data["case"]
        if case.fault:
            raise UserError(case.fault)
        try:
            volume = read_image(case.path, self.channel, series_uid=case.series_uid)
        except UserError:
            raise
        except OSError as error:
            raise UserError(f"can't be read: {error.strerror}; correct its permissions", path=case.path) from error
        refuse_unusable(volume.array, case.path)
        image = _channels(case, volume, self.in_channels).astype(np.float32, order="C")
        volume = replace(volume, array=np.broadcast_to(np.zeros((), volume.array.dtype), volume.array.shape))
        scaled = scale_intensities(image, volume.full_scale, case.path, overwrite=True)
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
        slices = [
            torch.stack([grid.image(channel) for channel in part.permute(0, 3, 1, 2)])  # (C, X, Y, n) -> (C, n, X, Y)
            for part in torch.split(data["image"], _AT_A_TIME, dim=3)
        ]
        return {**data, "grid": grid, "image": torch.cat(slices, dim=1).permute(0, 2, 3, 1)}


def _channels(case: Input, volume: Volume, wanted: int) -> NDArray[Any]:
    """Bring (X, Y, Z) or (X, Y, Z, 3) to (C, X, Y, Z); colour becomes gray only where it is gray already."""
    array = volume.array
    if not volume.coloured:
        return np.broadcast_to(array, (wanted, *array.shape))
    if wanted == 1 and (array[..., :1] != array).any():
        raise UserError("is coloured, and the network was trained on gray images; convert it to gray", path=case.path)
    return array[np.newaxis, ..., 0] if wanted == 1 else np.moveaxis(array, 3, 0)


def _as_bytes(scaled: torch.Tensor) -> NDArray[np.uint8]:
    """What pictures show of an image: a quarter of its memory."""
    shown = np.empty(scaled.shape, dtype=np.uint8)
    for z in range(scaled.shape[3]):
        shown[..., z] = (scaled[..., z] * 255).round().to(torch.uint8).numpy()
    return shown
