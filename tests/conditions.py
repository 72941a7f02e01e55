"""The conditions that the parts make up, and trainings of them in small."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow
from torch import nn

from tests.workflows import CONFIGS, make_workflow, tiny_overrides

NETWORKS = sorted(path.name for path in CONFIGS.glob("network_*.yaml"))
LOSSES = sorted(path.name for path in CONFIGS.glob("loss_*.yaml"))
OPTIMIZERS = sorted(path.name for path in CONFIGS.glob("optimizer_*.yaml"))
WITH_ACW = {"loss_acw_ce.yaml", "loss_adfl.yaml"}

# Narrow networks train in a fraction of a second; the wide ones differ in numbers alone.
NARROW: dict[str, dict[str, Any]] = {
    "network_deeplabv3plus.yaml": {"network_def::atrous_rates": [1]},
    "network_unet.yaml": {"network_def::channels": [2, 4, 8, 16, 32]},
    "network_vgg19_fcn.yaml": {"network_def::fc_channels": 8},
}
# Six images of the twelve of the tiny phantom's training part: two steps per epoch.
TWO_STEPS = {"max_epochs": 1, "batch_size": 6}


def condition(
    folder: Path, loss: str = "loss_adfl.yaml", network: str = "network_unet.yaml", *parts: str, **overrides: Any
) -> ConfigWorkflow:
    """The workflow of a condition with a narrow network, not initialised; data and runs are below ``folder``."""
    settings = {"bundle_root": str(folder), **TWO_STEPS, **NARROW[network], **overrides}
    return make_workflow("train.yaml", network, loss, *parts, **tiny_overrides(folder, **settings))


def alone(**overrides: Any) -> dict[str, Any]:
    """Overrides for a trainer without handlers: nothing is validated, saved or tracked."""
    return {"train::trainer::train_handlers": None, **overrides}


def resolved(workflow: ConfigWorkflow, key: str) -> Any:
    """The object of a key of the configuration."""
    return workflow.parser.get_parsed_content(key)


def train(workflow: ConfigWorkflow) -> nn.Module:
    """Initialise a workflow and run its trainer; returns the network with its class weights."""
    workflow.initialize()
    resolved(workflow, "train::trainer").run()
    network: nn.Module = resolved(workflow, "network")
    return network


def digest(tensors: list[torch.Tensor]) -> str:
    """SHA-256 of the bytes of tensors."""
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(torch.as_tensor(tensor).detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()
