"""A run whose network is known: it calls bright what is bright."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn


class Threshold(nn.Module):
    """Logits of two classes: the second wins where the first channel is above ``level``."""

    def __init__(self, in_channels: int = 1, num_classes: int = 2, level: float = 0.5) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))
        self.in_channels, self.num_classes = in_channels, num_classes

    def forward(self, image: Tensor) -> Tensor:
        bright = (image[:, :1] - self.level) * 100
        rest = [torch.full_like(bright, -100.0)] * (self.num_classes - 2)
        return torch.cat([-bright, bright, *rest], dim=1)


def write_run(runs: Path, name: str = "stub", *, size: Any = 16, level: float = 0.5, **settings: Any) -> Path:
    """A run folder with the configuration and the weights that inference needs."""
    folder = runs / name
    folder.mkdir(parents=True)
    config = {
        "labels": ["background", "prostate"],
        "in_channels": 1,
        "image_size": size,
        "network_def": {
            "_target_": "tests.inference.stub_run.Threshold",
            "in_channels": "@in_channels",
            "num_classes": "$len(@labels)",
        },
        **settings,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({"level": torch.tensor(level)}, folder / "model.pt")
    return folder
