"""One progress bar over a whole training: iterations done, loss, time left, and a line for every validation."""

from __future__ import annotations

import sys
from typing import Any

from ignite.engine import Engine, Events
from tqdm import tqdm


class TrainingProgress:
    """Handler of the trainer that shows a bar over all epochs; Ignite's own bar begins anew each epoch.

    Args:
        evaluator: the validation engine, whose scores are shown; None for none.
        labels: class names whose Dice and IoU the line of a validation shows.
    """

    def __init__(self, evaluator: Engine | None = None, labels: list[str] | None = None) -> None:
        self.evaluator = evaluator
        self.labels = labels or []
        self._bar: tqdm[Any] | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        engine.add_event_handler(Events.COMPLETED, self._close)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._say, engine)

    def _start(self, engine: Engine) -> None:
        total = engine.state.max_epochs * engine.state.epoch_length
        self._bar = tqdm(
            total=total,
            initial=engine.state.iteration,
            desc="training",
            unit="batch",
            dynamic_ncols=True,
            mininterval=0.1 if sys.stderr.isatty() else 10,  # seconds; a log file needs no movement
        )

    def _advance(self, engine: Engine) -> None:
        assert self._bar is not None
        self._bar.set_description(f"epoch {engine.state.epoch}/{engine.state.max_epochs}", refresh=False)
        self._bar.set_postfix(loss=f"{engine.state.output[0]['loss']:.4f}", refresh=False)
        self._bar.update(engine.state.iteration - self._bar.n)

    def _say(self, evaluator: Engine, trainer: Engine) -> None:
        scores = evaluator.state.metrics
        parts = [
            f"{n} Dice {scores[f'dice/{n}']:.3f} IoU {scores[f'iou/{n}']:.3f}"
            for n in self.labels
            if f"dice/{n}" in scores
        ]
        tqdm.write(f"epoch {trainer.state.epoch}: validation {', '.join(parts)}")

    def _close(self, _engine: Engine) -> None:
        if self._bar is not None:
            self._bar.close()
