from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR

from scripts.configuration.optimisation import check_optimisation


def optimizer(**options: Any) -> SGD:
    return SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, **options)


@pytest.mark.parametrize("momentum", [1, 2, float("nan")])
def test_a_momentum_that_forgets_nothing_is_refused(momentum: float) -> None:
    sgd = optimizer(momentum=momentum)
    with pytest.raises(ValueError, match="optimizer::momentum must be at least 0 and below 1"):
        check_optimisation(sgd, StepLR(sgd, 5), 3)


@pytest.mark.parametrize(
    ("schedule", "options", "said"),
    [
        (StepLR, {"step_size": 2, "gamma": -1}, r"epoch 3 the learning rates \[-0.1\]"),
        (StepLR, {"step_size": 2, "gamma": float("nan")}, r"epoch 3 the learning rates \[nan\]"),
        (StepLR, {"step_size": 0}, "behind epoch 1 of 5: ZeroDivisionError"),
        (StepLR, {"step_size": "x"}, "behind epoch 1 of 5: TypeError"),
        (OneCycleLR, {"max_lr": 1, "total_steps": 3}, "behind epoch 4 of 5: ValueError"),
    ],
)
def test_a_schedule_that_gives_no_learning_rate_in_some_epoch_is_refused(
    schedule: type[LRScheduler], options: dict[str, Any], said: str
) -> None:
    sgd = optimizer(momentum=0.9)
    with pytest.raises(ValueError, match=said):
        check_optimisation(sgd, schedule(sgd, **options), 5)


@pytest.mark.parametrize("epochs", [1, 7])
def test_following_the_schedule_changes_nothing(epochs: int) -> None:
    adam = Adam([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    for scheduler in (CosineAnnealingLR(adam, 5), OneCycleLR(adam, 1, total_steps=9), ReduceLROnPlateau(adam)):
        before = (repr(adam.state_dict()), repr(scheduler.state_dict()))
        check_optimisation(adam, scheduler, epochs)
        assert (repr(adam.state_dict()), repr(scheduler.state_dict())) == before
