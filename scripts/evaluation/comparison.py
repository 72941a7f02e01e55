"""Predictions of several trainings on the same images, side by side."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray

from ..configuration.keys import refuse_unknown_keys
from ..configuration.workflow import executed_config
from ..datasets import PreparedDataset
from ..errors import UserError
from ..losses.targets import plain_tensor
from ..runs.checkpoint import load_network
from ..runs.resume import read_table, run_config_sha256
from ..runs.run_configuration import run_configuration
from ..runs.run_files import MODEL, SPLIT
from ..runs.run_folder import find_run_dir
from .overlays import Example, as_picture, choose_items, draw_examples, example_title, save_figure

logger = logging.getLogger(__name__)

OVERLAY = "compare.yaml"


# What must be equal for pictures to lie side by side; split and fingerprint are compared as well.
SAME = ("data_name", "image_size", "pixel_spacing", "labels", "in_channels", "ignore_index")


@dataclass
class _Run:
    """A run with what its own configuration says."""

    folder: Path
    parser: ConfigParser
    dataset: PreparedDataset


def draw_comparison(
    runs: Sequence[str],
    names: Sequence[str],
    output_dir: str | Path,
    part: str,
    picture: str | Path,
    device: str | torch.device = "cpu",
    max_cases: int = 3,
) -> Path:
    """Draw for one image a case the image, the truth and the prediction of each run; the errors are the last run's.

    Each run's network and data are those of its own configuration.

    Args:
        runs: names of run folders below ``output_dir``, all trained on the same images with the same split.
        names: a title for each run.
        output_dir: the folder of all runs.
        part: which part the images are taken from.
        picture: the PNG to write.
        device: where the networks run.
        max_cases: how many cases to draw.

    Raises:
        FileNotFoundError: a run or its weights are missing.
        ValueError: ``runs`` and ``names`` differ in length, the picture is no PNG, a key is given that differs from a
            run's, or runs differ in their images or split.
    """
    if isinstance(runs, str) or isinstance(names, str) or len(runs) != len(names) or not runs:
        raise UserError(
            f"runs and names must be lists of equal length >= 1, got {runs} and {names}; write "
            "--runs \"['RUN','RUN']\" --names \"['CE','ADFL']\""
        )
    path = Path(picture)
    if path.suffix.lower() != ".png":
        raise UserError(f"picture is written as PNG, got '{path.name}'; give --picture a name that ends with .png")
    opened = _open([find_run_dir(output_dir, run) for run in runs])
    first = opened[0]
    dataset = first.dataset
    items = choose_items(dataset.items(part), max_cases, dataset.ignore_index)
    slices = Counter(item["case"] for item in dataset.items(part))
    preprocessing = first.parser.get_parsed_content("validate::preprocessing")
    batch = [preprocessing(dict(item)) for item in items]
    images = torch.stack([plain_tensor(item["image"]) for item in batch])
    predictions = [_predict(run, images, device) for run in opened]
    examples = [
        Example(
            example_title(item["case"], item["slice"], slices[item["case"]]),
            as_picture(tensors["image"]),
            as_picture(tensors["label"]),
            [prediction[i].T for prediction in predictions],
        )
        for i, (item, tensors) in enumerate(zip(items, batch, strict=True))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"{dataset.name}, {part} part"
    save_figure(draw_examples(examples, names, dataset.labels, dataset.ignore_index, title), path)
    logger.info("picture: %s", path)
    return path


def _open(folders: Sequence[Path]) -> list[_Run]:
    """Refuse what was given and is not a run's, and runs that don't belong together, then find their data."""
    configs = {folder: run_configuration(folder, executed_config(), OVERLAY) for folder in folders}
    for folder, config in configs.items():
        refuse_unknown_keys(config)
        plain = {key: config.get(key) for key in SAME}
        _refuse_others(folder, plain, folders[0], {key: configs[folders[0]].get(key) for key in SAME})
    runs = []
    for folder, config in configs.items():
        parser = ConfigParser(config)
        runs.append(_Run(folder, parser, parser.get_parsed_content("data")))
        first = {"data_fingerprint": runs[0].dataset.fingerprint, "split_sha256": runs[0].dataset.split_sha256}
        dataset = runs[-1].dataset
        now = {"data_fingerprint": dataset.fingerprint, "split_sha256": dataset.split_sha256}
        _refuse_others(folder, now, folders[0], first)
        _refuse_other_data(folder, dataset)
    return [next(run for run in runs if run.folder == folder) for folder in folders]


def _refuse_others(folder: Path, now: dict[str, Any], first_folder: Path, first: dict[str, Any]) -> None:
    for key, value in now.items():
        if value != first[key]:
            raise UserError(
                f"{key} is {value} in run {folder.name} and {first[key]} in run {first_folder.name}: their pictures "
                "don't show the same; compare runs of equal data, size and split"
            )


def _refuse_other_data(folder: Path, dataset: PreparedDataset) -> None:
    path = folder / SPLIT
    trained_on = read_table(path) if path.is_file() else {}
    if trained_on.get("sha256") != dataset.split_sha256:
        raise UserError(
            f"run {folder.name} was trained on another split of the cases than its data have now, so that some of the "
            "images to draw may have been trained on; bring its own data back (--dataset_dir)"
        )
    if trained_on.get("fingerprint") != dataset.fingerprint:
        raise UserError(
            f"the data of run {folder.name} are not those that it was trained with (fingerprint "
            f"{dataset.fingerprint[:12]}, was {str(trained_on.get('fingerprint'))[:12]}); bring its own data back "
            "(--dataset_dir)"
        )


def _predict(run: _Run, images: torch.Tensor, device: str | torch.device) -> NDArray[Any]:
    """Class indices (N, X, Y) of images (N, C, X, Y)."""
    network = run.parser.get_parsed_content("network_def")
    load_network(network, run.folder / MODEL, device, run_config_sha256(run.folder)).eval()
    with torch.no_grad():
        return np.asarray(network(images.to(device)).argmax(1).cpu())
