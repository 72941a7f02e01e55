"""When a training keeps its state: at every epoch, by the clock, and when it is asked to stop."""

from __future__ import annotations

import logging
import math
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events
from torch import nn

from ..storage.atomic_files import flush
from .checkpoint import flat_weights, load, save
from .processes import is_first, largest, several
from .random_states import everyones_random_states, random_states
from .run_files import BEST, JOURNAL, LAST, MODEL
from .signals import Stopped, StopRequest
from .state import TrainingState
from .state_check import PARTS

logger = logging.getLogger(__name__)

SHARE = 100.0  # seconds of training for a second of writing, where an epoch is shorter


class RunCheckpoint:
    """Handler that keeps the last and the best state of a training.

    After an epoch ``checkpoint_last.pt``, and after a validation that was the best so far also
    ``checkpoint_best.pt``, without what only going on needs (the optimiser's state is twice the network's size), and
    ``model.pt``: the network alone, as a flat state dict. Inside an epoch
    ``checkpoint_last.pt`` every ``interval`` seconds. Every file is written beside its place, flushed to disk and
    renamed. (MONAI's ``CheckpointSaver`` removes the old file first and writes in place.) The best files go before the
    last: a training killed between them repeats that epoch, and never goes on without them.

    Writing takes no more than about a hundredth of the time: short epochs of a large network are kept together, the
    best of them in memory until then, at most ``interval`` seconds long. The first epoch, the last one and a stop are
    always kept. A training that is killed repeats what was not, to the same bytes.

    On SIGTERM or SIGINT it finishes the iteration, keeps its state and ends the process with exit code 75. A validation
    under way is left, and done again on resuming.

    Args:
        run_dir: folder of the run.
        state: what is kept.
        interval: seconds between two checkpoints inside an epoch; the sampler must be able to go on inside one
            (``scripts.training.sampling.ResumableSampler``), otherwise there are none.
        export: makes the network that ``model.pt`` holds (class weights folded in); None writes no ``model.pt``.
        keep: "all", or "slim": of a finished training ``checkpoint_last.pt`` keeps the progress alone, by which it is
            known to be finished; the best files stay.
    """

    def __init__(
        self,
        run_dir: str | Path,
        state: TrainingState,
        interval: float = 240.0,
        export: Callable[[], nn.Module] | None = None,
        keep: str = "all",
    ) -> None:
        self.run_dir = Path(run_dir)
        self.state = state
        self.interval = interval
        self.export = export
        self.keep = keep
        self._stop = StopRequest()
        self._saved_at = time.monotonic()
        self._trainer: Engine | None = None
        self._random_before_validation: dict[str, Any] | None = None
        self._waiting: dict[str, dict[str, Any]] = {}  # file of the best state that is not on disk yet: its content
        self._pause = 0.0  # seconds between the checkpoints of two epochs
        self._asked: str | None = None  # the signal that all processes stop for
        self._common = 0  # batches of a validation that every process has

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, after the handlers of validation, learning rate and tracking."""
        self._trainer = engine
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)
        engine.add_event_handler(Events.COMPLETED, self._finish)
        if self.state.evaluator is not None:
            self.state.evaluator.add_event_handler(Events.STARTED, self._count_batches)
            self.state.evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._validating)

    def _start(self, engine: Engine) -> None:
        self._stop.listen()
        self._saved_at = time.monotonic()
        if self.state.epoch_left_open:
            with warnings.catch_warnings():  # the optimiser's steps before the scheduler's were in an earlier process
                warnings.filterwarnings("ignore", r"Detected call of `lr_scheduler.step\(\)`", UserWarning)
                engine.fire_event(Events.EPOCH_COMPLETED)

    def _iteration(self, engine: Engine) -> None:
        done = engine.state.iteration % engine.state.epoch_length
        if done == 0:  # the epoch's own checkpoint follows its validation
            self._random_before_validation = random_states()
            return
        can_go_on = done % engine.accumulation_steps == 0 and hasattr(engine.data_loader.sampler, "skip")
        if can_go_on and self._is_due(self.interval):
            self._save(engine, epoch_completed=False)

    def _count_batches(self, evaluator: Engine) -> None:
        self._common = -largest(-evaluator.state.epoch_length)  # the smallest: uneven parts differ by one

    def _validating(self, evaluator: Engine) -> None:
        trainer = self._trainer
        if trainer is None or self._random_before_validation is None or evaluator.state.iteration > self._common:
            return
        if self._is_due(math.inf):
            self._save(trainer, epoch_completed=False)

    def _epoch(self, engine: Engine) -> None:
        evaluator = self.state.evaluator
        self._random_before_validation = None
        if evaluator is not None and evaluator.state.best_metric_epoch == engine.state.epoch:
            self._waiting = self._best(engine) if is_first() else {}
        ended = engine.should_terminate or engine.state.epoch == engine.state.max_epochs
        if self._is_due(min(self._pause, self.interval)) or ended:
            self._save(engine, epoch_completed=True)

    def _best(self, engine: Engine) -> dict[str, dict[str, Any]]:
        """The files of the best state and their content, which further training leaves as it is."""
        state = self.state.take(engine, epoch_completed=True)
        network = {name: value.clone() for name, value in state["network"].items()}
        files = {BEST: {"network": network, "progress": state["progress"], "metadata": state["metadata"]}}
        if self.export is not None:
            files[MODEL] = flat_weights(
                self.export(), state["metadata"].get("config_sha256"), state["progress"]["epoch"]
            )
        return files

    def _finish(self, _engine: Engine) -> None:
        self._stop.ignore()
        if is_first() and self.keep == "slim" and (self.run_dir / LAST).is_file():
            state = load(self.run_dir / LAST)
            save({name: state[name] for name in PARTS}, self.run_dir / LAST)

    def _is_due(self, interval: float) -> bool:
        """Whether to save: a process was asked to stop, or by the first one's clock; the same on all of them."""
        due = is_first() and time.monotonic() - self._saved_at >= interval
        number = signal.Signals[self._stop.received] if self._stop.received else 0
        agreed = largest(2 * number + due)
        self._asked = signal.Signals(agreed // 2).name if agreed > 1 else None
        return agreed > 0

    def _save(self, engine: Engine, epoch_completed: bool) -> None:
        """Keep the state, then stop where that is asked for and anything is left to stop."""
        begin = time.monotonic()
        random = everyones_random_states(self._random_before_validation or random_states())
        if is_first():
            self._write(self.state.take(engine, epoch_completed, random))
        self._saved_at = time.monotonic()
        self._pause = SHARE * (self._saved_at - begin)
        at_end = epoch_completed and engine.state.epoch == engine.state.max_epochs
        asked = self._asked if several() else self._stop.received  # one that came while it was written
        if asked and not at_end:
            idist.barrier()  # a process that has ended makes torchrun end the others
            place = f"epoch {engine.state.epoch}, iteration {engine.state.iteration}"
            logger.warning("%s: saved at %s; go on with --resume true", asked, place)
            self._stop.ignore()
            raise Stopped

    def _write(self, state: dict[str, Any]) -> None:
        if (self.run_dir / JOURNAL).is_file():
            flush(self.run_dir / JOURNAL)
        while self._waiting:
            name, content = next(iter(self._waiting.items()))
            save(content, self.run_dir / name)
            del self._waiting[name]
        save(state, self.run_dir / LAST)
