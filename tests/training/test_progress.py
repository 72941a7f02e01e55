from __future__ import annotations

import logging
import re

import pytest
from ignite.engine import Engine

from scripts.training.progress import TrainingProgress

SCORES = {"dice/mean": 0.5, "iou/mean": 0.4, "dice/organ": 0.5, "iou/organ": 0.4}


def _train(fail_at: int | None = None) -> None:
    evaluator = Engine(lambda _engine, _batch: None)
    evaluator.state.metrics = {}

    def step(engine: Engine, _batch: int) -> list[dict[str, float]]:
        if engine.state.iteration == fail_at:
            logging.getLogger("scripts.runs").warning("SIGINT: saved at epoch 1")
            raise KeyboardInterrupt
        return [{"loss": 1.0}]

    trainer = Engine(step)
    progress = TrainingProgress(evaluator, ["background", "organ"])
    progress._interval = 0.0
    progress.attach(trainer)

    from ignite.engine import Events

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate(_engine: Engine) -> None:
        evaluator.run([0, 1, 2])

    @evaluator.on(Events.STARTED)
    def scores(engine: Engine) -> None:
        engine.state.metrics = dict(SCORES)

    trainer.run(range(4), max_epochs=2)


def test_the_bar_shows_the_validation_and_a_line_for_each(capfd: pytest.CaptureFixture[str]) -> None:
    _train()
    shown = capfd.readouterr()
    assert "epoch 1/2, validating 2/3" in shown.err
    lines = [line for line in shown.out.splitlines() if line.strip()]
    assert [re.sub(r".*\r", "", line) for line in lines] == [
        f"epoch {n}: validation organ Dice 0.500 IoU 0.400" for n in (1, 2)
    ]


def test_a_stop_is_told_in_a_line_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    import sys

    handler = logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("scripts.runs")
    logger.addHandler(handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            _train(fail_at=2)
    finally:
        assert handler in logger.handlers  # given back
        logger.removeHandler(handler)
    pieces = re.split(r"[\r\n]", capfd.readouterr().err)
    assert [piece for piece in pieces if "SIGINT" in piece] == ["SIGINT: saved at epoch 1"]
