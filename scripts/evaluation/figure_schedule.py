"""When the pictures of a training's validations are drawn: for the best and the last, not for each."""

from __future__ import annotations

import time
from collections.abc import Callable

from ignite.engine import Engine, Events

from ..errors import UserError

PAUSE = 60.0  # seconds between two drawings of a best validation


class FigureSchedule:
    """Draws the pictures of the last validation, of the best, and of every n-th where that is asked for.

    A picture takes longer to draw than a small network to validate, and nobody looks at those between. Early in a
    training each validation is the best so far: its pictures wait until ``pause`` has passed since the last were drawn,
    or until the training ends. A training that is stopped lacks those that waited, and nothing else.

    Args:
        interval: epochs; the pictures of every such validation are drawn too. None: of none.
        pause: seconds, >= 0.

    Raises:
        ValueError: ``interval`` is below 1.
    """

    def __init__(self, interval: int | None = None, pause: float = PAUSE) -> None:
        if interval is not None and interval < 1:
            raise UserError(f"figure_interval must be a number of epochs >= 1 or null, got {interval}")
        self.interval = interval
        self.pause = pause
        self._best: dict[str, Callable[[], None]] = {}
        self._last: dict[str, Callable[[], None]] = {}
        self._drawn_at = time.monotonic()

    def offer(self, name: str, evaluator: Engine, draw: Callable[[], None]) -> None:
        """Take what draws one picture of the validation that has just ended.

        Args:
            name: of the picture, the same at each validation.
            evaluator: the validation engine.
            draw: draws it, now or later: what it needs of this validation it must hold.
        """
        self._last[name] = draw
        if evaluator.state.best_metric_epoch == evaluator.state.epoch:
            self._best[name] = draw
        if self.interval is not None and evaluator.state.epoch % self.interval == 0:
            draw()
            del self._last[name]
            if self._best.get(name) is draw:
                del self._best[name]

    def draw_now_and_then(self) -> None:
        """Draw the best validation's pictures that have waited long enough."""
        if self._best and time.monotonic() - self._drawn_at >= self.pause:
            for name in list(self._best):
                draw = self._best.pop(name)
                draw()
                if self._last.get(name) is draw:
                    del self._last[name]
            self._drawn_at = time.monotonic()

    def draw_all(self) -> None:
        """Draw all that waits."""
        for name in list(self._best | self._last):
            self._draw(name)

    def _draw(self, name: str) -> None:
        waiting = [draw for draw in (self._best.pop(name, None), self._last.pop(name, None)) if draw is not None]
        for draw in dict.fromkeys(waiting):
            draw()


class ScheduledFigures:
    """Handler of the trainer that lets a schedule draw after an epoch, and what is left when the training has ended.

    Args:
        schedule: of the pictures of the validations.
    """

    def __init__(self, schedule: FigureSchedule) -> None:
        self.schedule = schedule

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, behind the validation and before the tracker, which sends away what it finds."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: self.schedule.draw_now_and_then())
        engine.add_event_handler(Events.COMPLETED, lambda _: self.schedule.draw_all())
