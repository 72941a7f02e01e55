"""The page that leads from the paper to the code names what is there."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.conditions import LOSSES, NETWORKS, OPTIMIZERS
from tests.workflows import CONFIGS, ROOT

PAGE = (ROOT / "docs" / "paper_to_code.md").read_text()


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:scripts|docs|configs|tests)/[\w./*]+)`", PAGE))
    assert len(named) > 10
    assert [name for name in sorted(named) if not list(ROOT.glob(name))] == []


@pytest.mark.parametrize("part", [*NETWORKS, *LOSSES, *OPTIMIZERS])
def test_it_names_every_part_of_the_paper(part: str) -> None:
    assert part in PAGE or f"`{part.removeprefix('loss_').removesuffix('.yaml')}`" in PAGE  # MONAI's two losses


def test_every_option_that_it_names_is_a_key_of_a_config() -> None:
    keys = {"config_file"}.union(
        *(yaml.safe_load((CONFIGS / f"{n}.yaml").read_text()) for n in ("train", "evaluate", "compare"))
    )
    assert set(re.findall(r"--(\w+)", PAGE)) <= keys


@pytest.mark.parametrize(("setting", "value"), [("learning_rate", 5e-4), ("batch_size", 4), ("image_size", 224)])
def test_its_settings_are_those_of_train_yaml(setting: str, value: float) -> None:
    assert yaml.safe_load((CONFIGS / "train.yaml").read_text())[setting] == value
    assert f"`--{setting}`" in PAGE
