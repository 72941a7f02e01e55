"""The end of a training whose validation no longer gets better."""

from __future__ import annotations

import logging

from ignite.engine import Engine, Events

from ..errors import UserError

logger = logging.getLogger(__name__)


class EarlyStopping:
    """Handler that ends a training after a number of epochs without a better validation score.

    It has no state of its own: it asks the evaluator for the epoch of its best score, so that a resumed training ends
    where one that was never stopped does. (The counter of Ignite's handler would begin again.)

    Args:
        evaluator: the validation engine, one of MONAI's.
        patience: epochs, >= 1; None never ends a training.

    Raises:
        ValueError: ``patience`` is below 1.
    """

    def __init__(self, evaluator: Engine, patience: int | None = None) -> None:
        if patience is not None and patience < 1:
            raise UserError(
                f"early_stopping must be a whole number >= 1, or null, got {patience}; set another --early_stopping"
            )
        self.evaluator = evaluator
        self.patience = patience

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, after the handler of validation."""
        if self.patience is not None:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._check)

    def _check(self, engine: Engine) -> None:
        validated, best_epoch = self.evaluator.state.epoch, self.evaluator.state.best_metric_epoch
        if validated == engine.state.epoch and validated - best_epoch >= self.patience:
            logger.info("early stopping: no better validation score since epoch %d", best_epoch)
            engine.terminate()
