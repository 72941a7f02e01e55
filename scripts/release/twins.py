"""Single JSON files that say what the YAML files say together, for programs that merge none."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from ..configuration.paths import PLACES, without_paths
from ..configuration.reading import BASE_CONFIG, load_config
from ..inference.model import Member
from ..runs.resume import FREE_KEYS
from ..runs.run_configuration import read_run_configuration

CONFIGS = BASE_CONFIG.parent
SHIPPED = (FREE_KEYS | PLACES) - {"max_epochs"}  # keys that keep the values of train.yaml


def training_twin(run_dir: Path, member: Member) -> dict[str, Any]:
    """``train.yaml`` with the parts and settings of a run, and with no place of the machine that it ran on.

    The labels are the network's, also where the run has read them from its data set.
    """
    shipped: dict[str, Any] = load_config()
    run = without_paths(read_run_configuration(run_dir))
    config = {key: value if key in SHIPPED else copy.deepcopy(run.get(key, value)) for key, value in shipped.items()}
    part = CONFIGS / f"data_{run.get('data_name')}.yaml"
    if part.is_file() and "dataset_dir" in (data := load_config(part)):
        config["dataset_dir"] = data["dataset_dir"]
    if isinstance(config["network_def"], dict) and "pretrained_path" in config["network_def"]:
        config["network_def"]["pretrained_path"] = None
    return {**config, "labels": member.value("labels")}


def twins(run_dir: Path, member: Member) -> dict[str, dict[str, Any]]:
    """Every JSON file of ``configs/`` by its name without the ending; overlays stay overlays.

    MONAI Label lays ``multi_gpu_train`` behind a ``train`` with files of its own in it, which a complete one would take
    away.
    """
    return {
        "train": training_twin(run_dir, member),
        "inference": inference_twin(member),
        **{name: load_config(CONFIGS / f"{name}.yaml") for name in ("evaluate", "multi_gpu_train")},
    }


def inference_twin(member: Member) -> dict[str, Any]:
    """``inference.yaml`` with the settings of the published network."""
    shipped: dict[str, Any] = load_config(CONFIGS / "inference.yaml")
    return {**shipped, **member.settings}
