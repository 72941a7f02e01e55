from __future__ import annotations

from typing import Any

import pytest
import yaml

from scripts.configuration.sections import (
    refuse_other_names,
    refuse_other_rate,
    refuse_plain_values,
    refuse_unknown_arguments,
)
from scripts.errors import UserError
from tests.workflows import CONFIGS

BASE = yaml.safe_load((CONFIGS / "train.yaml").read_text())


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("loss", "dfl", "configs/loss_dfl.yaml"),
        ("loss", "dise_ce", "configs/loss_dice_ce.yaml"),
        ("optimizer", "sgdm", "configs/optimizer_sgdm.yaml"),
        ("network_def", "unet", "configs/network_unet.yaml"),
        ("cases", "promise12", "configs/data_promise12.yaml"),
        ("loss", 3, "configs/loss_{acw_ce,"),
        ("train", False, "one by one"),
        ("lr_scheduler", "cosine", "one by one"),
    ],
)
def test_a_plain_value_for_a_section_is_answered_with_the_part_to_give(key: str, value: Any, said: str) -> None:
    with pytest.raises(UserError, match=f"{key} is a section") as info:
        refuse_plain_values({**BASE, key: value}, BASE)
    assert said in str(info.value)


def test_no_class_weights_and_references_are_no_plain_values() -> None:
    refuse_plain_values({**BASE, "class_weight": None, "loss": "$torch.nn.MSELoss()", "network": "@network_def"}, BASE)


@pytest.mark.parametrize(
    ("key", "name", "said"),
    [("loss_name", "ce", "loss_ce.yaml"), ("loss_name", "dfl", "loss_dfl.yaml"), ("network_name", "unet", "unet.yaml")],
)
def test_the_name_of_a_part_alone_is_refused(key: str, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        refuse_other_names({**BASE, key: name})


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("[lno]*_*.yaml")), ids=lambda path: path.name)
def test_every_part_may_stand_under_its_name(path: Any) -> None:
    config = {**BASE, **yaml.safe_load(path.read_text())}
    refuse_other_names(config)
    refuse_unknown_arguments(config)


def test_a_network_of_the_users_own_may_keep_the_name() -> None:
    refuse_other_names({**BASE, "network_def": {"_target_": "my.package.Network"}})


@pytest.mark.parametrize(
    ("place", "name", "said"),
    [
        (("loss",), "gama", "loss::gama: scripts.losses.DualFocalLoss has no argument 'gama'; did you mean gamma?"),
        (("optimizer",), "learning", "torch.optim.Adam has no argument 'learning'"),
        (("train", "trainer"), "max_epoch", "did you mean max_epochs?"),
        (("train", "deterministic_transforms", 0), "cache_shar", "did you mean cache_share?"),
    ],
)
def test_an_argument_that_a_component_does_not_have_is_refused(place: tuple[Any, ...], name: str, said: str) -> None:
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    target = config
    for key in place:
        target = target[key]
    target[name] = 3
    with pytest.raises(UserError) as info:
        refuse_unknown_arguments(config)
    assert said in str(info.value)


def test_a_learning_rate_beside_the_one_that_tables_say_is_refused() -> None:
    optimizer = {"_target_": "torch.optim.Adam", "lr": 5}
    said = (
        "optimizer::lr is 5 and learning_rate 0.0005, .*give --learning_rate 5 and let optimizer::lr be @learning_rate"
    )
    with pytest.raises(UserError, match=said):
        refuse_other_rate({**BASE, "optimizer": optimizer})
    refuse_other_rate({**BASE, "optimizer": {**optimizer, "lr": 0.0005}})
    refuse_other_rate(BASE)
    refuse_other_rate({**BASE, "optimizer": {"_target_": "my.Optimizer"}})
