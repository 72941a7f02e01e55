from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tests.conditions import condition, resolved
from tests.processes import end, run_command_line, start_command, start_one
from tests.workflows import TINY_PHANTOM


def describe(folder: Path, capsys: pytest.CaptureFixture[str], *parts: str, **overrides: object) -> str:
    """What ``describe`` prints of a condition."""
    workflow = condition(folder, *parts, run_id="describe", **overrides)
    workflow.initialize()
    capsys.readouterr()
    workflow.run()
    workflow.finalize()
    return capsys.readouterr().out


def test_it_says_what_a_combination_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = ("loss_acw_ce.yaml", "network_unet.yaml", "optimizer_sgdm.yaml")
    said = describe(tmp_path, capsys, *parts, acw_learning_rate_factor=2.0, weight_decay=0.01)
    for line in (
        r"network_def +scripts\.networks\.UNet\(in_channels=1, num_classes=2, channels=\[2, 4, 8, 16, 32\]\)",
        r"class_weight +scripts\.networks\.AdaptiveClassWeight\(.*class_counts=\[\d+, \d+\], .*=sum, .*=False\)",
        r"loss +scripts\.losses\.CrossEntropyLoss\(ignore_index=None\)",
        r"optimizer +torch\.optim\.SGD\(.*lr=0\.0005, momentum=0\.9, fused=True\)",
        r"lr_scheduler +torch\.optim\.lr_scheduler\.StepLR\(.*step_size=5, gamma=0\.95\)",
        r"run_name +acw_ce-unet-phantom-sgdm-f0-s0",
        r"image_size +32",
        r"early_stopping +None",
        r"data: phantom, 32 x 32 pixels, 1 channel\(s\), fold 0",
        r"train +12 images of 2 cases",
        r"val +12 images of 2 cases",
        r"test +12 images of 2 cases",
        r"[\d,]+ parameters +learning rate 0\.0005, weight decay 0\.01",
        r"2 parameters +learning rate 0\.001, weight decay 0$",
    ):
        assert re.search(rf"^\s*{line}", said, re.MULTILINE), f"{line}\n{said}"


def test_its_numbers_are_those_of_the_data_and_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = describe(tmp_path, capsys)
    workflow = condition(tmp_path)
    workflow.initialize()
    size = sum(parameter.numel() for parameter in resolved(workflow, "network_def").parameters())
    assert f"network: UNet, {size:,} parameters" in said
    background, prostate = resolved(workflow, "data").class_counts("train")
    shares = re.findall(r"share of \w+ +([\d.]+)%", said)
    expected = [background / (background + prostate), prostate / (background + prostate)]
    assert [float(share) / 100 for share in shares] == pytest.approx(expected, abs=1e-6)
    # Equation 5 for two classes: each class weighs the share of the other.
    weights = re.search(r"initial ACW weights +(\S+), (\S+) \(2 more", said)
    assert weights is not None
    assert [float(weight) for weight in weights.groups()] == pytest.approx(expected[::-1], rel=1e-5)


def test_it_says_that_there_are_no_class_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = describe(tmp_path, capsys, "loss_dice_focal.yaml")
    assert re.search(r"class_weight +None", said)
    assert re.search(r"initial ACW weights +none: trained without ACW", said)
    assert re.search(r"WithoutIgnoredVoxels\(loss=monai\.losses\.DiceFocalLoss\(to_onehot_y=True, softmax=True\)", said)


def test_it_trains_nothing_and_leaves_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workflow = condition(tmp_path, run_id="describe")
    workflow.initialize()
    before = {name: value.clone() for name, value in resolved(workflow, "network_def").state_dict().items()}
    workflow.run()
    workflow.finalize()
    after = resolved(workflow, "network_def").state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["data", "prepared"]


def test_the_command_line_describes(tmp_path: Path) -> None:
    settings = {**TINY_PHANTOM, "output_dir": tmp_path / "runs", "device": "cpu", "batch_size": 4}
    words = [f"--{name}={value}" for name, value in settings.items()]
    parts = "['configs/train.yaml','configs/loss_fl.yaml']"
    line = ["run", "describe", "--config_file", parts, *words, "--compile=false", "--early_stopping=null"]
    log = tmp_path / "log"
    assert end([start_one(log, run_command_line, line)]) == [0], log.read_text()
    said = log.read_text()
    assert "network: DeepLabV3Plus, 16,597,026 parameters" in said
    assert re.search(r"compile +False\n", said)  # not the text "false", which counts as true
    assert re.search(r"early_stopping +None\n", said)
    assert "FocalLoss(alpha=0.25, gamma=2.0, ignore_index=None)" in said
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["data", "prepared"]


def test_what_can_not_be_is_refused_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {**TINY_PHANTOM, "output_dir": str(tmp_path / "runs"), "device": "cpu", "acw_positive": True}
    assert end([start_command(log, "describe", "train.yaml", "loss_fl.yaml", **settings)]) == [1]
    said = log.read_text()
    assert said.strip().splitlines()[-1].startswith("error: acw_positive is True, but loss fl trains without")
    assert "Traceback" not in said
