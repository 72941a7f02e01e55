"""Losses and gradients that are NaN or infinite stop a training, or are passed over where that is asked for."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from torch import Tensor, nn

from ..errors import UserError
from ..runs.checkpoint import save
from ..runs.processes import gathered, is_first
from ..runs.run_files import non_finite_batch
from ..runs.state import TrainingState

logger = logging.getLogger(__name__)


class NonFiniteGuard:
    """Handler of the trainer that checks loss and gradients of every iteration before the optimiser uses them.

    A batch whose loss or gradient is not finite is saved, as tensors, to ``non_finite_<iteration>.pt`` in the run
    folder, and the training stops with its epoch, iteration and cases named. With ``max_skipped`` above 0 so many
    batches are left out instead, each with a warning: their gradient is dropped (with accumulation, that of the whole
    step), and the statistics of batch normalisation are set back.

    Args:
        network: what is trained.
        run_dir: folder of the run.
        max_skipped: batches to leave out, >= 0, before the training stops.
        state: of the training, which keeps the number of those left out; None where nothing is kept.

    Raises:
        ValueError: ``max_skipped`` is below 0; or, while training, a batch is not finite.
    """

    def __init__(
        self, network: nn.Module, run_dir: str | Path, max_skipped: int = 0, state: TrainingState | None = None
    ) -> None:
        if max_skipped < 0:
            raise UserError(f"max_skipped_batches must be >= 0, got {max_skipped}")
        self.network = network
        self.run_dir = Path(run_dir)
        self.max_skipped = max_skipped
        self.skipped = 0
        self._buffers: list[Tensor] = []
        if state is not None:
            state.add("non_finite", self)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.ITERATION_STARTED, self._keep_buffers)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._check)

    def state_dict(self) -> dict[str, Any]:
        """How many batches were left out, for the checkpoint."""
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.skipped = state_dict["skipped"]

    def _keep_buffers(self, _engine: Engine) -> None:
        if self.max_skipped:
            self._buffers = [buffer.clone() for buffer in self.network.buffers()]

    def _check(self, engine: Engine) -> None:
        what = self._fault(engine.state.output["loss"], getattr(engine, "scaler", None))
        if what is None:
            return
        path = non_finite_batch(self.run_dir, engine.state.iteration)
        batch = _joined(gathered(_plain(engine.state.batch)))
        if is_first():
            save(batch, path)
        cases = ", ".join(batch["cases"])
        place = f"epoch {engine.state.epoch}, iteration {engine.state.iteration}, cases {cases}"
        if self.skipped >= self.max_skipped:
            if not is_first():
                raise SystemExit(1)  # all processes have this loss and these gradients: the first one says so
            raise UserError(
                f"the {what} is not finite at {place}; the batch is saved in {path}; check these images, lower "
                f"--learning_rate, or leave out such batches by --max_skipped_batches (left out so far: {self.skipped})"
            )
        self.skipped += 1
        logger.warning("left out a batch: the %s is not finite at %s; saved in %s", what, place, path)
        self._undo()

    def _fault(self, loss: Tensor, scaler: torch.amp.GradScaler | None) -> str | None:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        for order in (2.0, float("inf")):  # the first is ten times as fast, and too large for float32 before the other
            norm = torch.nn.utils.get_total_norm(gradients, norm_type=order)
            if bool(torch.isfinite(loss.detach() + norm)):  # one answer from the GPU
                return None
        if not bool(torch.isfinite(loss)):
            return "loss"
        if scaler is not None and scaler.get_scale() > 1:  # float16: the scaler passes over the step, and halves
            return None
        return "gradient"

    def _undo(self) -> None:
        for parameter in self.network.parameters():
            parameter.grad = None  # the optimiser passes over what has no gradient
        for buffer, kept in zip(self.network.buffers(), self._buffers, strict=True):
            buffer.copy_(kept)


def _cases(batch: dict[str, Any]) -> list[str]:
    """Case and slice of each image of a batch."""
    slices = [int(index) for index in batch["slice"]]
    return [f"{case} slice {index}" for case, index in zip(batch["case"], slices, strict=True)]


def _joined(batches: list[dict[str, Any]]) -> dict[str, Any]:
    """The batches of all processes as one."""
    if len(batches) == 1:
        return batches[0]
    joined: dict[str, Any] = {}
    for name, value in batches[0].items():
        values = [batch[name] for batch in batches]
        joined[name] = torch.cat(values) if isinstance(value, Tensor) else [case for cases in values for case in cases]
    return joined


def _plain(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch as plain tensors and values, which load without pickle."""
    images = {name: value.detach().cpu() for name, value in batch.items() if isinstance(value, Tensor)}
    return {**{n: torch.Tensor.as_subclass(v, torch.Tensor).clone() for n, v in images.items()}, "cases": _cases(batch)}
