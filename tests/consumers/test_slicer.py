"""What 3D Slicer's MONAI module does to a bundle: it reads the transforms of the training, and runs none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from tests.workflows import CONFIGS, ROOT


@pytest.mark.parametrize("augmentation", [False, True])
@pytest.mark.parametrize("inside", [True, False])
def test_the_transforms_of_the_training_are_read_without_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, augmentation: bool, inside: bool
) -> None:
    monkeypatch.chdir(ROOT if inside else tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT])
    config = ConfigParser()
    config.read_config(str(CONFIGS / "train.yaml"))
    config.config.update({"bundle_root": str(tmp_path / "nothing_is_here"), "augmentation": augmentation})
    items = config.get_parsed_content("train#preprocessing#transforms", instantiate=False)
    settings = [item.get_config() for item in items]
    names = [one["_target_"].split(".")[-1] for one in settings]
    assert names == ["LoadSlice", "SeededAugmentation", "EnsureTyped"] if augmentation else names == ["LoadSlice"]
    assert settings[0]["cache_share"] == 0.1
    assert list(tmp_path.iterdir()) == []
