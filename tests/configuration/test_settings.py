from __future__ import annotations

import re
from typing import Any

import pytest

from scripts.configuration.settings import check_keep, check_settings


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


def test_what_is_kept_is_one_of_two_words() -> None:
    check_keep("all")
    check_keep("slim")
    with pytest.raises(ValueError, match="keep_checkpoints must be all or slim, got 'none'"):
        check_keep("none")
