"""Dictionary transforms around the network for programs that bring their own images and take masks back.

MONAI Label and MONAI Deploy load an image themselves, run ``pre_transforms``, the inferer on the network and
``post_transforms`` of ``inference.yaml``, and write the result. The rules of intensity and size are those of
``LoadInput`` and ``ResizeInPlane``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ..datasets.intensity import refuse_unusable, scale_intensities
from ..datasets.preparation_settings import check_size
from ..datasets.slice_grid import SliceGrid, check_pixel_spacing
from ..errors import UserError
from ..formats.volume import spacing_of

_GRID = "_slice_grid"  # behind the image's key


class VolumeToSlicesd(MapTransform):  # type: ignore[misc]  # MONAI has no types
    """Bring volumes to 0..1 and their slices to the network's size; the way back is ``SlicesToVolumed``.

    The metadata stay those of the file, which the mask gets.

    Args:
        keys: of volumes (C, X, Y, Z), as MONAI's loaders and ``EnsureChannelFirstd`` give them.
        in_channels: of the network; one channel is repeated where it has more.
        image_size: pixels along x and y, or one number for both.
        pixel_spacing: millimetres of a slice's pixel, or None; see ``SliceGrid``.
    """

    def __init__(
        self,
        keys: KeysCollection,
        in_channels: int,
        image_size: int | Sequence[int],
        pixel_spacing: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(keys)
        self.in_channels = in_channels
        self.size, self.pixel_spacing = check_size(image_size), check_pixel_spacing(pixel_spacing)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace (C, X, Y, Z) by float32 (channels of the network, width, height, Z).

        Raises:
            ValueError: the image is no volume, has other channels, would be refused in preparing, or has no spacing
                where one is needed.
        """
        found = dict(data)
        for key in self.keys:
            image = data[key]
            meta = dict(image.meta) if isinstance(image, MetaTensor) else {}
            name = str(meta.get("filename_or_obj") or key)
            array = torch.as_tensor(image).detach().cpu().numpy()
            if array.ndim != 4 or array.shape[0] not in (1, self.in_channels):
                raise UserError(
                    f"has the shape {array.shape}, channels first; volumes of {self.in_channels} channels are "
                    "segmented so, pictures by the bundle's own inference (docs/inference.md)",
                    path=name,
                )
            refuse_unusable(array, name)
            whole = np.broadcast_to(array, (self.in_channels, *array.shape[1:])).astype(np.float32, order="C")
            scaled = scale_intensities(whole, None, name, overwrite=True)
            spacing = spacing_of(np.asarray(image.affine)) if isinstance(image, MetaTensor) else None
            grid = SliceGrid.of(array.shape[1:], spacing, self.size, self.pixel_spacing, name)
            slices = torch.stack([grid.image(channel) for channel in scaled.permute(0, 3, 1, 2)])  # (C, Z, w, h)
            found[f"{key}{_GRID}"] = grid
            found[key] = _with_meta(slices.permute(0, 2, 3, 1), image, meta)
        return found


class SlicesToVolumed(MapTransform):  # type: ignore[misc]  # MONAI has no types
    """Bring probabilities of slices to the grid of their image, and take the most probable class.

    Args:
        keys: of probabilities (K, width, height, Z).
        ref_image: key of the image that ``VolumeToSlicesd`` has made slices of.
    """

    def __init__(self, keys: KeysCollection, ref_image: str = "image") -> None:
        super().__init__(keys)
        self.ref_image = ref_image

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace (K, width, height, Z) by classes, uint8 (1, X, Y, Z), with the image's metadata."""
        found = dict(data)
        grid: SliceGrid = data[f"{self.ref_image}{_GRID}"]
        image = data[self.ref_image]
        meta = dict(image.meta) if isinstance(image, MetaTensor) else {}
        for key in self.keys:
            planes = torch.as_tensor(data[key]).cpu().permute(3, 0, 1, 2)  # (K, w, h, Z) -> (Z, K, w, h)
            classes = [grid.restore(plane).argmax(dim=0) for plane in planes]
            mask = torch.stack(classes, dim=-1)[None].to(torch.uint8)
            found[key] = _with_meta(mask, image, meta)
        return found


def _with_meta(tensor: torch.Tensor, image: Any, meta: dict[str, Any]) -> torch.Tensor:
    if not isinstance(image, MetaTensor):
        return tensor
    rest = {key: value for key, value in meta.items() if key != "affine"}
    placed: torch.Tensor = MetaTensor(tensor, affine=image.affine, meta=rest)
    return placed
