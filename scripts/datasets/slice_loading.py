"""From a slice's two PNG files to the tensors that a network takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..errors import UserError
from .checksums import read_unchanged
from .slice_cache import Arrays, SliceCache

if TYPE_CHECKING:
    from .prepared import PreparedDataset

_CHECKSUMS = {"image": "image_crc32", "label": "label_crc32"}


class LoadSlice:
    """Transform of an item of a prepared data set: ``image`` and ``label`` become tensors in place of their files.

    The same numbers as MONAI's ``LoadImaged``, ``EnsureChannelFirstd`` and ``ScaleIntensityRanged`` give, without the
    metadata, which nothing behind it reads and which take nine tenths of their time.

    Args:
        dataset: the prepared data set.
        cache_share: see ``SliceCache``; of the parts train and val, in this order. 0 decodes at every epoch.

    Shape:
        ``image``: (channels, X, Y) float32, 0 to 1. ``label``: (1, X, Y) uint8, class indices or the ignored value.

    Raises:
        ValueError: when a file is read that is missing, damaged, of another size, or not the one that was prepared.
    """

    def __init__(self, dataset: PreparedDataset, cache_share: float = 0.0) -> None:
        self.intensity_max = dataset.intensity_max
        width, height = dataset.image_size
        colours = () if dataset.in_channels == 1 else (dataset.in_channels,)
        depth = np.uint8 if dataset.intensity_max == 255 else np.uint16
        self._forms = (((height, width, *colours), np.dtype(depth)), ((height, width), np.dtype(np.uint8)))
        names = (item["image"] for part in ("train", "val") for item in dataset.items(part)) if cache_share else ()
        self.cache = SliceCache(names, self._forms, cache_share)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Load one slice."""
        image, label = self.cache.read(item["image"], lambda: self._decode(item))
        planes = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)  # (Y, X, C) -> (C, Y, X)
        scaled = np.swapaxes(planes, 1, 2).astype(np.float32, order="C") / np.float32(self.intensity_max)
        classes = np.swapaxes(label, 0, 1)[None].copy()  # (Y, X) -> (1, X, Y)
        facts = {key: value for key, value in item.items() if key not in _CHECKSUMS.values()}
        return {**facts, "image": torch.from_numpy(scaled), "label": torch.from_numpy(classes)}

    def _decode(self, item: dict[str, Any]) -> Arrays:
        if Path(item["image"]).suffix != ".png":  # a volume, by an expression in place of the slices
            raise UserError(
                "is no slice of a prepared data set; train on a folder of volumes with configs/data_nifti.yaml or "
                "configs/data_folder.yaml and --dataset_dir",
                path=item["image"],
            )
        arrays = tuple(_read_png(Path(item[key]), item.get(_CHECKSUMS[key])) for key in ("image", "label"))
        for key, array, (shape, dtype) in zip(("image", "label"), arrays, self._forms, strict=True):
            if array.shape != shape or array.dtype != dtype:
                raise UserError(
                    f"{item[key]} holds {array.dtype} numbers of shape {array.shape} where {dtype} {shape} were "
                    f"prepared; {_remedy(Path(item[key]))}"
                )
        return arrays


def _read_png(path: Path, crc32: int | None) -> NDArray[Any]:
    try:
        content = read_unchanged(path, crc32, path.parents[1])
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            return np.asarray(picture)
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} can't be read ({type(error).__name__}); {_remedy(path)}") from error


def _remedy(path: Path) -> str:
    return f"delete {path.parents[1]} and prepare it again"
