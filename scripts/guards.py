"""Checks of a configuration before anything is built: every key is read, and the parts fit together."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.properties import InferProperties, TrainProperties

if TYPE_CHECKING:
    from scripts.datasets import PreparedDataset

REFERENCE = re.compile(r"@(?:::)?([A-Za-z_]\w*)")
BASE_CONFIG = Path(__file__).resolve().parents[1] / "configs" / "train.yaml"
ENTRY_POINTS = {"imports", "training", "check", "describe"}
PART_NAMES = {"network_name"}  # a network part also goes on inference.yaml, where nothing reads its name


def running_workflow() -> ConfigWorkflow | None:
    """The MONAI workflow on whose behalf this code runs, found on the call stack; None outside a workflow.

    MONAI hands a config component its arguments and no more, and the text of the configuration, with every override in
    it, is known to the workflow alone.
    """
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, ConfigWorkflow):
            return caller
        frame = frame.f_back
    return None


def executed_config() -> dict[str, Any]:
    """The configuration as it runs: files merged, overrides applied, references kept as text."""
    workflow = running_workflow()
    if workflow is None:
        return {}
    config = workflow.parser.get()
    return {key: value for key, value in config.items() if key != ConfigParser.meta_key}


def refuse_unknown_keys(config: dict[str, Any] | None = None) -> None:
    """Refuse a top-level key that nothing reads, which is what a misspelt override or part becomes.

    A key is read when another entry refers to it (``@key``), when MONAI looks for it by name, or when it is an entry
    point.
    Keys of ``train.yaml`` itself are known even where a part has left one of them without a reader.

    Args:
        config: top-level keys and values; the running workflow's by default.

    Raises:
        ValueError: names the key and the nearest known one.
    """
    workflow = running_workflow()
    config = executed_config() if config is None else config
    read = ENTRY_POINTS | PART_NAMES | _monai_keys()
    if workflow is not None:
        read |= {workflow.init_id, workflow.run_id, workflow.final_id}
    if "train" in config:
        read |= set(ConfigParser.load_config_file(BASE_CONFIG))
    for key, value in config.items():
        read |= {name for text in _strings(value) for name in REFERENCE.findall(text) if name != key}
    for key in config:
        if key not in read:
            known = sorted(read & set(config))
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
            raise ValueError(f"unknown key or override '{key}': nothing in the configuration reads it; {hint}")


def check_dataset_fits(
    dataset: PreparedDataset, labels: list[str], in_channels: int, batch_size: int | None = None
) -> PreparedDataset:
    """Refuse a prepared data set that the network or the training cannot take; returns the data set.

    Args:
        dataset: the prepared data set.
        labels: class names of the configuration.
        in_channels: channels that the network expects.
        batch_size: images a batch, None where nothing is trained.

    Raises:
        ValueError: names the key to change.
    """
    if dataset.in_channels != in_channels:
        raise ValueError(
            f"in_channels is {in_channels}, but the images of {dataset.name} have {dataset.in_channels} channel(s); "
            f"set --in_channels {dataset.in_channels} or choose other data"
        )
    if list(dataset.labels) != list(labels):
        raise ValueError(f"labels is {labels}, but {dataset.name} was prepared with {list(dataset.labels)}")
    if batch_size is not None and len(dataset.items("train")) < batch_size:
        raise ValueError(
            f"batch_size is {batch_size}, but the training part of {dataset.name} has "
            f"{len(dataset.items('train'))} image(s); set a smaller --batch_size or bring more cases"
        )
    if batch_size is not None and not dataset.items("val"):
        raise ValueError(f"the validation part of {dataset.name} is empty; bring more cases or another split")
    return dataset


def _monai_keys() -> set[str]:
    """Top-level names that MONAI and its consumers look for, from MONAI's own table of properties."""
    properties = {**TrainProperties, **InferProperties}
    return {entry["id"].split("::")[0] for entry in properties.values()}


def _strings(value: Any) -> Iterator[str]:
    """Every string below a config value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def check_settings(device: str | torch.device, **settings: float) -> None:
    """Refuse numbers that no training can use and a device that is not there, before anything is prepared.

    Args:
        device: where to compute.
        settings: ``learning_rate``, > 0; every other must be a whole number >= 1, such as ``max_epochs``;
            ``num_workers``
            and ``seed`` may be 0.

    Raises:
        ValueError: names the key, what it must be and what came.
    """
    for name, value in settings.items():
        if name == "learning_rate":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a number > 0, got {value!r}; set another --{name}")
            continue
        least = 0 if name in ("num_workers", "seed") else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}; set another --{name}")
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be cpu, cuda or cuda:N, got {device!r}; set another --device") from None
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {wanted} is not there: torch finds {torch.cuda.device_count()} GPU(s); set --device cpu or another"
        )
