"""Slices of a case, gathered until it is whole, and brought back to the size that its file has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ..datasets import PreparedDataset
from ..datasets.slice_grid import SliceGrid


@dataclass
class Slices:
    """Slices of a case that wait for the others, by their place."""

    pred: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    truth: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    original_pred: dict[int, NDArray[np.uint8]] = field(default_factory=dict)


def in_original_size(probabilities: torch.Tensor, grid: SliceGrid) -> NDArray[np.uint8]:
    """Bring probabilities (C, X, Y) of a slice to its file's plane, and take the class of the greatest, as inference.

    What the slice does not show is class 0.
    """
    return np.asarray(grid.restore(probabilities).argmax(0).cpu()).astype(np.uint8)


def stack(planes: dict[int, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """(X, Y, Z) of planes by their place."""
    return np.stack([planes[place] for place in sorted(planes)], axis=-1)


def find_missing(dataset: PreparedDataset, names: Sequence[str]) -> str:
    """Why there are no scores on the grid of the files, in one line; empty where there are."""
    missing = [name for name in names if not dataset.original_label_file(name).is_file()]
    if not missing:
        return ""
    return (
        f"scores are of the slices alone: {dataset.original_label_file(missing[0])} is missing "
        f"({len(missing)} of {len(names)} cases); delete {dataset.root} and prepare it again to score in original size"
    )


def find_partial(dataset: PreparedDataset, slices: Mapping[str, int]) -> str:
    """Why there are no distances and volumes, in one line; empty where every case is there with all of its slices.

    Args:
        dataset: the prepared data set.
        slices: how many slices of each case are in the part.
    """
    partial = [name for name, count in slices.items() if count < dataset.geometry(name).size[2]]
    if not partial:
        return ""
    return (
        f"no distances and volumes: {len(partial)} of {len(slices)} cases, {partial[0]} among them, have only some of "
        "their slices in this part; split by patient to measure whole objects"
    )
