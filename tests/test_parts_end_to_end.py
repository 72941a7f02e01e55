"""A condition made of parts: trained, scored on the test part, and deployed with its network part alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.conditions import NARROW
from tests.workflows import run_workflow, tiny_overrides

PICTURES = "small"  # see tests/quicker.py

PARTS = ("network_unet.yaml", "loss_acw_ce.yaml", "optimizer_sgdm.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder below which the condition has been trained for an epoch."""
    folder = tmp_path_factory.mktemp("parts")
    settings = tiny_overrides(folder, bundle_root=str(folder), max_epochs=1, **NARROW["network_unet.yaml"])
    run_workflow("train.yaml", *PARTS, **settings)
    return folder


def test_the_same_parts_score_it(folder: Path) -> None:
    settings = tiny_overrides(folder, bundle_root=str(folder), **NARROW["network_unet.yaml"])
    run_workflow("train.yaml", *PARTS, "evaluate.yaml", run_id="evaluating", **settings)
    run = folder / "runs" / "acw_ce-unet-phantom-sgdm-f0-s0"
    summary = json.loads((run / "evaluation" / "test" / "summary.json").read_text())
    assert summary["images"] == 12
    assert {"dice/prostate", "iou/prostate"} <= set(summary["scores"])


def test_its_network_part_deploys_it(folder: Path) -> None:
    name = "acw_ce-unet-phantom-sgdm-f0-s0"
    run_workflow("publish.yaml", run_id="publishing", bundle_root=str(folder), run_name=name)
    weights = torch.load(folder / "models" / "model.pt", weights_only=True)
    assert not any("class_weight" in name for name in weights)
    settings = {"bundle_root": str(folder), "device": "cpu", "image_size": 32, **NARROW["network_unet.yaml"]}
    run_workflow("inference.yaml", "network_unet.yaml", workflow_type="infer", **settings)
    masks = sorted(path.name for path in (folder / "runs" / "masks").glob("*.mhd"))
    assert masks == [f"Case{number:02d}_segmentation.mhd" for number in range(6)]
