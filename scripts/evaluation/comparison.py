"""Predictions of several trainings on the same images, side by side."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..datasets import PreparedDataset
from ..errors import UserError
from ..runs.checkpoint import load_network
from ..runs.run_files import MODEL
from ..runs.run_folder import find_run_dir
from .overlays import Example, as_picture, choose_items, draw_examples, example_title, save_figure

logger = logging.getLogger(__name__)


def draw_comparison(
    runs: Sequence[str],
    names: Sequence[str],
    output_dir: str | Path,
    dataset: PreparedDataset,
    part: str,
    preprocessing: Callable[[dict[str, Any]], dict[str, Any]],
    network: nn.Module,
    picture: str | Path,
    max_cases: int = 3,
) -> Path:
    """Draw for one image a case the image, the truth and the prediction of each run; the errors are the last run's.

    Args:
        runs: names of run folders below ``output_dir``, all trained with this network and split.
        names: a title for each run.
        output_dir: the folder of all runs.
        dataset: the prepared data set.
        part: which part the images are taken from.
        preprocessing: from an item of the data set to tensors, as in the validation.
        network: takes the weights of each run in turn.
        picture: the PNG to write.
        max_cases: how many cases to draw.

    Raises:
        FileNotFoundError: a run or its weights are missing.
        ValueError: ``runs`` and ``names`` differ in length, or the weights are of another network.
    """
    if len(runs) != len(names) or not runs:
        raise UserError(f"runs and names must be lists of equal length >= 1, got {len(runs)} and {len(names)}")
    items = choose_items(dataset.items(part), max_cases, dataset.ignore_index)
    slices = Counter(item["case"] for item in dataset.items(part))
    batch = [preprocessing(dict(item)) for item in items]
    images = torch.stack([item["image"].as_tensor() for item in batch])
    predictions = [_predict(network, find_run_dir(output_dir, run) / MODEL, images) for run in runs]
    examples = [
        Example(
            example_title(item["case"], item["slice"], slices[item["case"]]),
            as_picture(tensors["image"]),
            as_picture(tensors["label"]),
            [prediction[i].T for prediction in predictions],
        )
        for i, (item, tensors) in enumerate(zip(items, batch, strict=True))
    ]
    path = Path(picture)
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"{dataset.name}, {part} part"
    save_figure(draw_examples(examples, names, dataset.labels, dataset.ignore_index, title), path)
    logger.info("picture: %s", path)
    return path


def _predict(network: nn.Module, weights: Path, images: torch.Tensor) -> NDArray[Any]:
    """Class indices (N, X, Y) of images (N, C, X, Y)."""
    load_network(network, weights).eval()
    with torch.no_grad():
        return np.asarray(network(images).argmax(1).cpu())
