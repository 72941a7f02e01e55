from __future__ import annotations

import pytest

from scripts.configuration.keys import refuse_unknown_keys


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
