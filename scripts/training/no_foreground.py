"""The end of a training that has never found anything."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from ignite.engine import Engine, Events

from ..errors import UserError
from ..evaluation.metrics import OverlapScores
from ..palette import has_background
from ..runs.state import TrainingState

logger = logging.getLogger(__name__)


class NoForegroundStop:
    """Handler that ends a training none of whose validations so far has predicted a voxel of any foreground class.

    It looks at every validation after a share of the epochs. One foreground voxel in one validation, right or wrong,
    and the training goes on to its end. A training that is ended keeps its best network and is scored as any other.

    Args:
        evaluator: the validation engine.
        metric: its metric, by its name as in ``key_val_metric``, which counts what was predicted.
        share: of the epochs, above 0 and below 1; None never ends a training.
        state: of the training, which keeps what was seen; None where nothing is kept.

    Raises:
        UserError: ``share`` is out of range, or the first class is no background, so that all is foreground.
    """

    def __init__(
        self,
        evaluator: Engine,
        metric: Mapping[str, OverlapScores],
        share: float | None = None,
        state: TrainingState | None = None,
    ) -> None:
        (self.metric,) = metric.values()
        self.evaluator = evaluator
        self.share = share
        self.seen = False
        self.ended_at: int | None = None
        if share is None:
            return
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
            raise UserError(
                f"no_foreground_share must be a number above 0 and below 1, or null, got {share!r}; "
                "set another --no_foreground_share"
            )
        if not has_background(self.metric.labels):
            raise UserError(
                f"no_foreground_share needs a class 0 called background, and that is {self.metric.labels[0]}; "
                "set --no_foreground_share null"
            )
        if state is not None:
            state.add("no_foreground", self)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, after the handler of validation."""
        if self.share is not None:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._check)

    def state_dict(self) -> dict[str, Any]:
        """What was seen, for the checkpoint."""
        return {"seen": self.seen, "ended_at": self.ended_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on looking."""
        self.seen, self.ended_at = state_dict["seen"], state_dict["ended_at"]

    def _check(self, engine: Engine) -> None:
        if self.seen or self.evaluator.state.epoch != engine.state.epoch:
            return
        counts, _ = self.metric.images()  # (N, C, 3): true positives, false positives, false negatives
        self.seen = bool(counts[:, 1:, :2].any())
        if self.seen or engine.state.epoch < math.ceil((self.share or 1.0) * engine.state.max_epochs):
            return
        self.ended_at = int(engine.state.epoch)
        logger.info(
            "no validation up to epoch %d of %d has predicted any foreground: the training ends here",
            self.ended_at,
            engine.state.max_epochs,
        )
        engine.terminate()
