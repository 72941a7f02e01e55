"""From probabilities at the network's size to a mask on the image's own grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.transforms.transform import Transform
from numpy.typing import NDArray
from scipy.ndimage import find_objects, generate_binary_structure, label


class RestoreGrid(Transform):  # type: ignore[misc]  # MONAI has no types
    """Bring probabilities slice by slice to the image's grid, and take the most probable class.

    What the network did not see, outside of its slices, is class 0.

    Args:
        probabilities: keep the probabilities too, 4 bytes per voxel and class.
    """

    def __init__(self, probabilities: bool = False) -> None:
        self.probabilities = probabilities

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replace ``pred`` (1, K, x, y, Z) by the mask, uint8 (X, Y, Z), and add to ``result``.

        ``result`` gets ``confidence``, for each class the mean probability of the voxels that it won, NaN where it won
        none, and ``probabilities``, float32 (X, Y, Z, K) or None.
        """
        size = data["volume"].array.shape[:3]
        predicted = torch.as_tensor(data["pred"])[0]
        mask = np.empty(size, dtype=np.uint8)
        classes = len(predicted)
        kept = np.empty((*size, classes), dtype=np.float32) if self.probabilities else None
        sums, counts = np.zeros(classes), np.zeros(classes)
        for z in range(size[2]):
            plane = data["grid"].restore(predicted[..., z]).cpu()  # (K, X, Y)
            best = plane.max(dim=0)
            mask[..., z] = best.indices.numpy()
            sums += np.bincount(best.indices.ravel().numpy(), weights=best.values.ravel().numpy(), minlength=classes)
            counts += np.bincount(best.indices.ravel().numpy(), minlength=classes)
            if kept is not None:
                kept[..., z, :] = plane.permute(1, 2, 0).numpy()
        with np.errstate(invalid="ignore"):
            confidence = sums / counts
        result = {**data["result"], "confidence": confidence, "probabilities": kept}
        return {**data, "pred": mask, "result": result}


class RemoveSmallComponents(Transform):  # type: ignore[misc]  # MONAI has no types
    """Give the voxels of small connected components to class 0.

    Args:
        min_voxels: the least size of a component that stays, voxels that touch by a face; 0 keeps all.
    """

    def __init__(self, min_voxels: int = 0) -> None:
        self.min_voxels = min_voxels

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replace ``pred``, the mask (X, Y, Z)."""
        if self.min_voxels <= 1:
            return data
        mask = data["pred"].copy()
        for value in np.unique(mask[mask != 0]):
            box = box_of(mask == value)
            numbered, _ = components(mask[box] == value)
            small = np.bincount(numbered.ravel()) < self.min_voxels
            small[0] = False
            mask[box][small[numbered]] = 0
        return {**data, "pred": mask}


def components(inside: NDArray[np.bool_]) -> tuple[NDArray[Any], int]:
    """Number the connected components of an object, voxels that touch by a face, from 1; and count them."""
    numbered, count = label(inside, structure=generate_binary_structure(inside.ndim, 1))
    return numbered, int(count)


def box_of(inside: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box that holds an object, which must not be empty."""
    box: tuple[slice, ...] = find_objects(inside.view(np.uint8), max_label=1)[0]
    return box
