from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from ignite.engine import Engine, Events

from scripts.evaluation.figure_schedule import FigureSchedule, ScheduledFigures


def drawn(bests: list[int], **settings: Any) -> list[int]:
    """Epochs whose picture is drawn in a training of len(bests) epochs, in the order of drawing."""
    schedule = FigureSchedule(**settings)
    order: list[int] = []
    trainer = Engine(lambda engine, batch: None)

    def validate(engine: Engine) -> None:
        epoch = engine.state.epoch
        evaluator: Any = SimpleNamespace(state=SimpleNamespace(epoch=epoch, best_metric_epoch=bests[epoch - 1]))
        schedule.offer("picture", evaluator, partial(order.append, epoch))

    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    ScheduledFigures(schedule).attach(trainer)
    trainer.run([0], max_epochs=len(bests))
    return order


def test_the_best_and_the_last_are_drawn_at_the_end() -> None:
    assert drawn([1, 2, 2, 4, 4, 4]) == [4, 6]


def test_a_best_that_is_the_last_is_drawn_once() -> None:
    assert drawn([1, 2, 3]) == [3]


def test_every_best_is_drawn_where_epochs_are_long() -> None:
    assert drawn([1, 2, 2, 4, 4], pause=0.0) == [1, 2, 4, 5]


def test_every_second_is_drawn_where_that_is_asked_for() -> None:
    assert drawn([1, 1, 3, 3, 3, 3, 3], interval=2) == [2, 4, 6, 3, 7]


def test_an_interval_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="figure_interval must be a number of epochs >= 1 or null, got 0"):
        FigureSchedule(0)
