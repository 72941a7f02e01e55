from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from scripts.runs.checkpoint import load
from scripts.training.non_finite import NonFiniteGuard
from tests.tiny_network import TinyNetwork

BATCHES = 4


class Spoiled(torch.autograd.Function):
    """Passes values on and spoils their gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * math.inf


def make_batches() -> list[dict[str, Any]]:
    torch.manual_seed(0)
    return [
        {
            "image": torch.rand(2, 1, 8, 8),
            "label": torch.zeros(2, 1, 8, 8),
            "case": ["Case00", f"Case{i:02d}"],
            "slice": torch.tensor([3, i]),
        }
        for i in range(BATCHES)
    ]


def train(folder: Path, batches: list[dict[str, Any]], max_skipped: int = 0, spoil: int | None = None) -> nn.Module:
    torch.manual_seed(0)
    network = TinyNetwork()

    def loss(pred: Tensor, _target: Tensor) -> Tensor:
        return (Spoiled.apply(pred) if trainer.state.iteration == spoil else pred).square().mean()

    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=batches,
        network=network,
        optimizer=torch.optim.Adam(network.parameters()),
        loss_function=loss,
        train_handlers=[NonFiniteGuard(network, folder, max_skipped)],
    )
    trainer.run()
    assert trainer.state.iteration == BATCHES
    return network


def test_a_spoiled_image_stops_the_training_and_is_named_and_saved(tmp_path: Path) -> None:
    batches = make_batches()
    batches[2]["image"][1, 0, 0, 0] = math.nan
    with pytest.raises(
        ValueError, match="the loss is not finite at epoch 1, iteration 3, cases Case00 slice 3, Case02 s"
    ):
        train(tmp_path, batches)
    saved = load(tmp_path / "non_finite_000003.pt")
    assert saved["cases"] == ["Case00 slice 3", "Case02 slice 2"]
    assert torch.equal(saved["image"], batches[2]["image"]) is False  # NaN equals nothing, itself included
    torch.testing.assert_close(saved["image"], batches[2]["image"], rtol=0, atol=0, equal_nan=True)


def test_an_infinite_gradient_stops_the_training_before_the_optimiser_takes_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the gradient is not finite at epoch 1, iteration 2"):
        train(tmp_path, make_batches(), spoil=2)


def test_a_batch_that_is_left_out_leaves_no_trace_in_the_network(tmp_path: Path) -> None:
    batches = make_batches()
    batches[1]["image"][0] = math.inf
    network = train(tmp_path, batches, max_skipped=1)
    assert all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


def test_more_batches_than_allowed_stop_the_training(tmp_path: Path) -> None:
    batches = make_batches()
    for batch in batches[:2]:
        batch["image"][0] = math.nan
    with pytest.raises(ValueError, match=r"iteration 2, .*left out so far: 1"):
        train(tmp_path, batches, max_skipped=1)


def test_a_healthy_training_is_not_touched(tmp_path: Path) -> None:
    plain, guarded = train(tmp_path, make_batches()), train(tmp_path, make_batches(), max_skipped=3)
    for left, right in zip(plain.state_dict().values(), guarded.state_dict().values(), strict=True):
        assert torch.equal(left, right)
    assert list(tmp_path.iterdir()) == []


def test_a_negative_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_skipped_batches must be >= 0, got -1"):
        NonFiniteGuard(TinyNetwork(), tmp_path, -1)


@pytest.mark.parametrize(("scale", "said"), [(65536.0, None), (1.0, "gradient")])
def test_a_scaler_may_pass_over_gradients_beyond_float16_until_it_can_halve_no_more(
    tmp_path: Path, scale: float, said: str | None
) -> None:
    network = TinyNetwork()
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, math.inf)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    scaler.scale(torch.ones(()))  # makes its numbers
    guard = NonFiniteGuard(network, tmp_path)
    assert guard._fault(torch.tensor(1.0), scaler) == said
    assert guard._fault(torch.tensor(math.nan), scaler) == "loss"
    assert guard._fault(torch.tensor(1.0), None) == "gradient"


def test_gradients_whose_squares_alone_overflow_are_healthy(tmp_path: Path) -> None:
    network = TinyNetwork()
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 1e30)
    assert NonFiniteGuard(network, tmp_path)._fault(torch.tensor(1.0), None) is None


def test_of_several_processes_the_batch_is_saved_with_the_cases_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.training.non_finite.gathered", lambda batch: [batch, batch])
    with pytest.raises(ValueError, match="cases Case00 slice 3, Case02 slice 2, Case00 slice 3, Case02 slice 2;"):
        train(tmp_path, make_batches(), spoil=3)
    saved = load(tmp_path / "non_finite_000003.pt")
    assert len(saved["image"]) == len(saved["cases"]) == 4
    monkeypatch.setattr("scripts.training.non_finite.is_first", lambda: False)
    with pytest.raises(SystemExit):  # without a word: the first one has said it
        train(tmp_path, make_batches(), spoil=3)
