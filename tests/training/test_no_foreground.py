"""A training that has never predicted any foreground is ended; any other one is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from scripts.errors import UserError
from scripts.evaluation.metrics import OverlapScores
from scripts.runs.state import TrainingState
from scripts.training.no_foreground import NoForegroundStop

LABELS = ["background", "anterior", "posterior"]


def train(
    predictions: Sequence[int], share: float | None, *, interval: int = 1, begin: NoForegroundStop | None = None
) -> tuple[int, NoForegroundStop]:
    """The last epoch of a training whose validation after each epoch predicts one pixel of a class, and its handler."""
    metric = OverlapScores(LABELS)
    truth = torch.tensor([[1, 2, 0, 0]])

    def validate(engine: Engine, _batch: Any) -> Any:
        engine.state.batch = [{"case_index": 0, "slice": 0}]
        pred = torch.tensor([[0, 0, 0, predictions[trainer.state.epoch - 1]]])
        return [{"pred": pred, "label": truth}]

    trainer, evaluator = Engine(lambda *_: None), Engine(validate)
    metric.attach(evaluator, "dice/mean")

    def run_validation(engine: Engine) -> None:
        if engine.state.epoch % interval == 0:
            evaluator.state.epoch = evaluator.state.iteration = engine.state.epoch - 1  # as MONAI's evaluators do
            evaluator.run([0], max_epochs=engine.state.epoch)

    trainer.add_event_handler(Events.EPOCH_COMPLETED, run_validation)
    handler = NoForegroundStop(evaluator, {"dice/mean": metric}, share, TrainingState({}))
    if begin is not None:
        handler.load_state_dict(begin.state_dict())
    handler.attach(trainer)
    trainer.run([0], max_epochs=len(predictions))
    return trainer.state.epoch, handler


@pytest.mark.parametrize(
    ("predictions", "share", "interval", "last"),
    [
        ([0] * 10, 0.5, 1, 5),
        ([0] * 10, 0.45, 1, 5),  # the first epoch after 4.5
        ([0] * 10, 0.5, 3, 6),  # the first validation after it
        ([0] * 10, None, 1, 10),
        ([0, 2, 0, 0, 0, 0, 0, 0, 0, 0], 0.5, 1, 10),  # one wrong pixel in one validation
        ([0, 0, 0, 0, 1, 0, 0, 0, 0, 0], 0.5, 1, 10),
        ([0, 0, 0, 0, 0, 1, 0, 0, 0, 0], 0.5, 1, 5),
    ],
)
def test_a_training_without_any_foreground_ends_after_its_share_of_the_epochs(
    predictions: list[int], share: float | None, interval: int, last: int
) -> None:
    epoch, handler = train(predictions, share, interval=interval)
    assert epoch == last
    assert handler.ended_at == (last if last < 10 else None)


def test_a_resumed_training_remembers_that_it_has_seen_foreground() -> None:
    _, before = train([2], 0.5)
    assert before.seen
    assert train([0] * 4, 0.5, begin=before)[0] == 4


def test_what_was_seen_is_kept_only_where_the_rule_is_on() -> None:
    for share, kept in ((None, False), (0.5, True)):
        state = TrainingState({})
        NoForegroundStop(Engine(lambda *_: None), {"dice/mean": OverlapScores(LABELS)}, share, state)
        assert ("no_foreground" in state.objects) == kept


@pytest.mark.parametrize("share", [0, 1, -0.5, True, "half", float("nan")])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    with pytest.raises(UserError, match="no_foreground_share must be a number above 0 and below 1, or null"):
        NoForegroundStop(Engine(lambda *_: None), {"dice/mean": OverlapScores(LABELS)}, share)


def test_classes_without_a_background_are_refused() -> None:
    with pytest.raises(UserError, match="needs a class 0 called background, and that is sky"):
        NoForegroundStop(Engine(lambda *_: None), {"dice/mean": OverlapScores(["sky", "road"])}, 0.5)
