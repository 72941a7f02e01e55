"""The blocks of docs/other_trainers.md are run as they stand there, with this tree as the package that they import."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigWorkflow
from torch import nn

from scripts.losses import DualFocalLoss
from scripts.networks import AdaptiveClassWeight, ClassWeightedNetwork
from tests.workflows import ROOT

PAGE = (ROOT / "docs" / "other_trainers.md").read_text()
COUNTS = [900.0, 80.0, 20.0]


def block(heading: str) -> str:
    """The code of a section, which imports the installed package; here it is this tree."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    (code,) = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    return code.replace("dual_focal_loss.", "scripts.")


def batch(size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 1, size, size, generator=generator)
    return images, torch.randint(0, 3, (2, 1, size, size), generator=generator)


def test_plain_pytorch() -> None:
    images, labels = batch()
    names: dict[str, Any] = {
        "torch": torch, "network": nn.Conv2d(1, 3, 1), "num_classes": 3, "voxels_of_each_class": COUNTS,
        "images": images, "labels": labels,
    }  # fmt: skip
    exec(block("Plain PyTorch"), names)
    layer = names["model"][1]
    assert isinstance(layer, AdaptiveClassWeight)
    assert layer.raw_weight.grad is not None
    assert layer.raw_weight.grad.abs().min() > 0


def test_lightning() -> None:
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")
    names: dict[str, Any] = {"torch": torch, "lightning": lightning}
    exec(block("Lightning"), names)
    images, labels = batch()
    module = names["Segmentation"](nn.Conv2d(1, 3, 1), 3, COUNTS)
    before = module.network[1].raw_weight.detach().clone()
    items = [{"image": image, "label": label} for image, label in zip(images, labels, strict=True)]
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(module, torch.utils.data.DataLoader(items, batch_size=2))
    assert not torch.equal(before, module.network[1].raw_weight)


class Wrapper(nn.Module):
    """The shape of nnU-Net's: the loss of every resolution, weighted."""

    def __init__(self, loss: nn.Module, weights: list[float]) -> None:
        super().__init__()
        self.loss, self.weight_factors = loss, weights

    def forward(self, outputs: list[torch.Tensor], labels: list[torch.Tensor]) -> torch.Tensor:
        parts = [w * self.loss(*pair) for w, *pair in zip(self.weight_factors, outputs, labels, strict=True) if w]
        return torch.stack(parts).sum()


class Base:
    """What a trainer of nnU-Net's has when it builds its loss, where nnU-Net is not installed."""

    enable_deep_supervision = True
    label_manager = SimpleNamespace(has_regions=False, ignore_label=2)

    def _build_loss(self) -> nn.Module:
        return Wrapper(nn.CrossEntropyLoss(), [2 / 3, 1 / 3, 0.0])


def check_trainer(trainer: Any, weights: list[float]) -> None:
    outputs = [torch.randn(2, 3, size, size, requires_grad=True) for size in (16, 8, 4)[: len(weights)]]
    labels = [torch.randint(0, 3, (2, 1, size, size)) for size in (16, 8, 4)[: len(weights)]]
    found = trainer._build_loss()(outputs, [label.short() for label in labels])
    single = DualFocalLoss(ignore_index=2)
    expected = sum(w * single(o, y) for w, o, y in zip(weights, outputs, labels, strict=True))
    torch.testing.assert_close(found, expected)
    found.backward()
    assert outputs[0].grad is not None
    trainer.enable_deep_supervision = False
    torch.testing.assert_close(trainer._build_loss()(outputs[0], labels[0].short()), single(outputs[0], labels[0]))


def test_nnunet_with_deep_supervision_as_its_wrapper_has_it() -> None:
    code = block("nnU-Net v2").replace("from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer", "")
    names: dict[str, Any] = {"nnUNetTrainer": Base}
    exec(code, names)
    check_trainer(names["nnUNetTrainerDualFocal"](), [2 / 3, 1 / 3, 0.0])


def test_nnunet_itself() -> None:
    module = pytest.importorskip("nnunetv2.training.nnUNetTrainer.nnUNetTrainer", reason="nnunetv2 is not installed")
    names: dict[str, Any] = {}
    exec(block("nnU-Net v2"), names)
    assert issubclass(names["nnUNetTrainerDualFocal"], module.nnUNetTrainer)
    trainer = object.__new__(names["nnUNetTrainerDualFocal"])
    trainer.label_manager = SimpleNamespace(has_regions=False, ignore_label=2)
    trainer.configuration_manager = SimpleNamespace(batch_dice=False)
    trainer.is_ddp, trainer.enable_deep_supervision = False, True
    trainer._do_i_compile = lambda: False
    trainer._get_deep_supervision_scales = lambda: [[1, 1], [0.5, 0.5], [0.25, 0.25]]
    check_trainer(trainer, [2 / 3, 1 / 3, 0.0])


@pytest.mark.filterwarnings("ignore")
def test_a_bundle_with_the_zoos_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for number in range(2):
        label = np.zeros((16, 16, 16), dtype=np.uint8)
        label[4:9, 5:9, 6:9] = 1
        image = label + generator.normal(scale=0.2, size=label.shape).astype(np.float32)
        for kind, array in (("image", image), ("label", label)):
            nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / f"{kind}_{number}.nii.gz")
    files = [{key: f"{tmp_path}/{key}_{n}.nii.gz" for key in ("image", "label")} for n in range(2)]
    both = ["image", "label"]
    config = {
        "bundle_root": ".",
        "device": "$torch.device('cpu')",
        "imports": ["$import torch"],
        "network_def": {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2,
                        "channels": [4, 8], "strides": [2]},
        "network": "$@network_def.to(@device)",
        "loss": {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True},
        "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": 0.01},
        "train": {
            "preprocessing": {"_target_": "Compose", "transforms": [
                {"_target_": "LoadImaged", "keys": both, "ensure_channel_first": True}]},
            "dataset": {"_target_": "Dataset", "data": files, "transform": "@train#preprocessing"},
            "dataloader": {"_target_": "DataLoader", "dataset": "@train#dataset", "batch_size": 2},
            "inferer": {"_target_": "SimpleInferer"},
            "handlers": [],
            "trainer": {"_target_": "SupervisedTrainer", "max_epochs": 3, "device": "@device",
                        "train_data_loader": "@train#dataloader", "network": "@network", "loss_function": "@loss",
                        "optimizer": "@optimizer", "inferer": "@train#inferer", "train_handlers": "@train#handlers"},
        },
        "run": ["$@train#trainer.run()"],
    }  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps(config))
    (tmp_path / "adfl.yaml").write_text(block("Another MONAI bundle"))
    assert set(yaml.safe_load((tmp_path / "adfl.yaml").read_text())) == {"loss", "class_weight", "network"}
    workflow = ConfigWorkflow(["train.json", "adfl.yaml"], logging_file=False, workflow_type="train", meta_file=None)
    workflow.initialize()
    workflow.run()
    network, loss = (workflow.parser.get_parsed_content(name) for name in ("network", "loss"))
    assert isinstance(network, ClassWeightedNetwork)
    assert isinstance(loss, DualFocalLoss)
    assert workflow.parser.get_parsed_content("train#trainer").state.epoch == 3
    first = AdaptiveClassWeight(2, [980, 20]).weight
    assert not torch.allclose(network.class_weight.weight, first, atol=1e-3)  # it was trained with the rest
