"""One progress bar over a whole training: iterations done, loss, time left, and a line for every validation."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from typing import Any

from ignite.engine import Engine, Events
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..evaluation.score_line import score_line
from ..runs.engine_end import call_at_end
from ..runs.processes import is_first


class TrainingProgress:
    """Handler of the trainer that shows a bar over all epochs; Ignite's own bar begins again with each epoch.

    While a validation runs the bar says how far it is. What is logged meanwhile stands above the bar in lines of its
    own, and the bar is closed before an error or a stop is told.

    Args:
        evaluator: the validation engine, whose scores are shown; None for none.
        labels: class names whose Dice and IoU the line of a validation shows.
    """

    def __init__(self, evaluator: Engine | None = None, labels: list[str] | None = None) -> None:
        self.evaluator = evaluator
        self.labels = labels or []
        self._bar: tqdm[Any] | None = None
        self._interval = 0.1 if sys.stderr.isatty() else 10.0  # seconds; a log file needs no movement
        self._shown_at = 0.0
        self._redirected = contextlib.ExitStack()

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before a handler that raises errors again."""
        if not is_first():
            return
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        call_at_end(engine, self._close)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._validating, engine)
            self.evaluator.add_event_handler(Events.COMPLETED, self._say, engine)

    def _start(self, engine: Engine) -> None:
        self._redirected.enter_context(logging_redirect_tqdm(_console_loggers()))
        total = engine.state.max_epochs * engine.state.epoch_length
        self._bar = tqdm(
            total=total,
            initial=engine.state.iteration,
            desc="training",
            unit="batch",
            dynamic_ncols=True,
            mininterval=self._interval,
        )

    def _advance(self, engine: Engine) -> None:
        assert self._bar is not None
        self._bar.set_description(f"epoch {engine.state.epoch}/{engine.state.max_epochs}", refresh=False)
        self._bar.set_postfix(loss=f"{engine.state.output[0]['loss']:.4f}", refresh=False)
        self._bar.update(engine.state.iteration - self._bar.n)

    def _validating(self, evaluator: Engine, trainer: Engine) -> None:
        if self._bar is not None and time.monotonic() - self._shown_at > self._interval:
            self._shown_at = time.monotonic()
            done, length = evaluator.state.iteration, evaluator.state.epoch_length
            place = (done - 1) % length + 1
            epoch = f"epoch {trainer.state.epoch}/{trainer.state.max_epochs}"
            self._bar.set_description(f"{epoch}, validating {place}/{length}")

    def _say(self, evaluator: Engine, trainer: Engine) -> None:
        if self._bar is not None:
            self._bar.set_description(f"epoch {trainer.state.epoch}/{trainer.state.max_epochs}", refresh=False)
        if "dice/mean" in evaluator.state.metrics:
            tqdm.write(f"epoch {trainer.state.epoch}: validation {score_line(evaluator.state.metrics, self.labels)}")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._redirected.close()


def _console_loggers() -> list[logging.Logger]:
    """The loggers that write to the terminal themselves."""
    every = [logging.root, *(x for x in logging.root.manager.loggerDict.values() if isinstance(x, logging.Logger))]
    console = {sys.stdout, sys.stderr}
    return [logger for logger in every if any(getattr(h, "stream", None) in console for h in logger.handlers)]
