from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from scripts.configuration.settings import FLAGS, NUMBERS, check_flags, check_keep, check_settings
from tests.workflows import CONFIGS

CHECKED_ELSEWHERE = {
    *("accumulation_steps", "acw_learning_rate_factor"),  # check_options
    *("image_size", "in_channels"),  # compatibility.py, with the network
    "tracking_patience",  # check_tracking
}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0; set another --batch_size"),
        ({"max_epochs": 2.5}, "max_epochs must be a whole number >= 1, got 2.5"),
        ({"max_epochs": "many"}, "max_epochs must be a whole number >= 1, got 'many'"),
        ({"learning_rate": -1}, "learning_rate must be a number > 0, got -1"),
        ({"learning_rate": "1e-4"}, "learning_rate must be a number > 0, got '1e-4'"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({"learning_rate": float("inf")}, "learning_rate must be a number > 0, got inf"),
        ({"checkpoint_interval": -3}, "checkpoint_interval must be a number >= 0, got -3"),
        ({"batch_norm_share": 0}, "batch_norm_share must be a number > 0 and <= 1, got 0"),
        ({"cache_share": 1.0}, "cache_share must be a number >= 0 and < 1, got 1.0"),
        ({"no_foreground_share": 2}, "no_foreground_share must be a number > 0 and < 1, or null, got 2"),
        ({"early_stopping": True}, "early_stopping must be a whole number >= 1, or null, got True"),
        ({"max_epochs": None}, "max_epochs must be a whole number >= 1, got None"),
        ({"num_folds": 2}, "num_folds must be a whole number >= 3, got 2"),
        ({"split_seed": -1}, "split_seed must be a whole number >= 0, got -1"),
        ({"device": "gpu"}, "device must be cpu, cuda or cuda:N, got 'gpu'"),
        ({"device": "cuda:99"}, "device cuda:99 is not there: torch finds"),
    ],
)
def test_a_setting_that_no_training_can_use_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_settings(**{"device": "cpu", **settings})


def test_settings_in_use_pass() -> None:
    check_settings("cpu", max_epochs=6, batch_size=4, learning_rate=5e-4, num_workers=0, seed=0)
    check_settings("cpu", early_stopping=None, no_foreground_share=0.5, batch_norm_share=1, checkpoint_interval=0.5)


def test_what_is_kept_is_one_of_two_words() -> None:
    check_keep("all")
    check_keep("slim")
    with pytest.raises(ValueError, match="keep_checkpoints must be all or slim, got 'none'"):
        check_keep("none")


def test_every_number_at_the_top_of_train_yaml_is_checked_before_anything_is_written() -> None:
    plain = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    numbers = {name for name, value in plain.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    assert numbers - NUMBERS.keys() == CHECKED_ELSEWHERE
    check_settings("cpu", **{name: plain[name] for name in NUMBERS})


def test_every_truth_at_the_top_of_train_yaml_is_checked_before_anything_is_written() -> None:
    plain = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    assert {name for name, value in plain.items() if isinstance(value, bool)} == set(FLAGS)
    check_flags(**{name: plain[name] for name in FLAGS})
    with pytest.raises(ValueError, match="channels_last must be true or false, got 'no way'; set another --channels_l"):
        check_flags(compile=True, channels_last="no way")


def test_the_configuration_of_a_training_can_be_read_at_one_go() -> None:
    assert len((CONFIGS / "train.yaml").read_text().splitlines()) <= 300
