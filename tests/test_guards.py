from __future__ import annotations

import re
from typing import Any

import pytest

from scripts.guards import check_settings, refuse_unknown_keys


def test_a_misspelt_override_is_refused_with_the_nearest_key() -> None:
    config = {"max_epochs": 3, "max_epoch": 1, "evaluator": {"epochs": "@max_epochs"}}
    with pytest.raises(ValueError, match="unknown key or override 'max_epoch': .*did you mean max_epochs"):
        refuse_unknown_keys(config)


def test_a_key_of_the_users_own_is_known_once_something_refers_to_it() -> None:
    refuse_unknown_keys({"mine": 1, "evaluator": ["$@mine + 1"]})
    with pytest.raises(ValueError, match="'mine'"):
        refuse_unknown_keys({"mine": "@mine", "evaluator": []})


def test_what_resembles_nothing_is_answered_with_the_known_keys() -> None:
    with pytest.raises(ValueError, match="'zzz': .*known keys: .*evaluator"):
        refuse_unknown_keys({"zzz": 1, "evaluator": {}})


def test_every_key_of_train_yaml_is_known_in_a_training() -> None:
    refuse_unknown_keys({"train": {}, "class_weight": None, "lr_scheduler": None})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0; set another --batch_size"),
        ({"max_epochs": 2.5}, "max_epochs must be a whole number >= 1, got 2.5"),
        ({"max_epochs": "many"}, "max_epochs must be a whole number >= 1, got 'many'"),
        ({"learning_rate": -1}, "learning_rate must be a number > 0, got -1"),
        ({"learning_rate": "1e-4"}, "learning_rate must be a number > 0, got '1e-4'"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({"device": "gpu"}, "device must be cpu, cuda or cuda:N, got 'gpu'"),
        ({"device": "cuda:99"}, "device cuda:99 is not there: torch finds"),
    ],
)
def test_a_setting_that_no_training_can_use_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_settings(**{"device": "cpu", **settings})


def test_settings_in_use_pass() -> None:
    check_settings("cpu", max_epochs=6, batch_size=4, learning_rate=5e-4, num_workers=0, seed=0)
