"""Checkpoints of a training: always one that loads, whatever stops the process."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import nn

from scripts.files import write_atomically

logger = logging.getLogger(__name__)

LAST, BEST, MODEL = "checkpoint_last.pt", "checkpoint_best.pt", "model.pt"


class Stateful(Protocol):
    """Whatever has a state to keep: a network, an optimiser, a scheduler."""

    def state_dict(self) -> dict[str, Any]:
        """The state, of tensors and plain Python values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take a state over."""


class RunCheckpoint:
    """Handler that keeps the last and the best state of a training.

    After every epoch ``checkpoint_last.pt``, and after a validation that was the best so far also
    ``checkpoint_best.pt`` and
    ``model.pt``: the network alone, as a flat state dict. Every file is written beside its place, flushed to disk and
    renamed. (MONAI's ``CheckpointSaver`` removes the old file first and writes in place.) A checkpoint holds the
    objects,
    epoch and iteration, the best score, and the random states of Python, NumPy and torch; ``torch.load`` reads it with
    ``weights_only=True``.

    Args:
        run_dir: folder of the run.
        objects: what to keep by name: ``network``, ``optimizer``, ``lr_scheduler``, ...
        evaluator: the validation engine, whose best score decides.
        export: makes the network that ``model.pt`` holds (class weights folded in); the network itself by default.
        metadata: plain values kept along, such as the hash of the split.
    """

    def __init__(
        self,
        run_dir: str | Path,
        objects: dict[str, Stateful],
        evaluator: Engine | None = None,
        export: Callable[[], nn.Module] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.objects = objects
        self.evaluator = evaluator
        self.export = export
        self.metadata = metadata or {}

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, after the handlers of validation and learning rate."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)

    def state(self, engine: Engine) -> dict[str, Any]:
        """Everything that a checkpoint holds."""
        best = (
            {}
            if self.evaluator is None
            else {
                "score": float(self.evaluator.state.best_metric),
                "epoch": int(self.evaluator.state.best_metric_epoch),
            }
        )
        return {
            **{name: item.state_dict() for name, item in self.objects.items()},
            "progress": {"epoch": engine.state.epoch, "iteration": engine.state.iteration, "best": best},
            "random": random_states(),
            "metadata": self.metadata,
        }

    def _epoch(self, engine: Engine) -> None:
        state = self.state(engine)
        save(state, self.run_dir / LAST)
        if self.evaluator is not None and self.evaluator.state.best_metric_epoch == engine.state.epoch:
            save(state, self.run_dir / BEST)
            if self.export is not None:
                save(self.export().state_dict(), self.run_dir / MODEL)


def save(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values with ``torch.save``, whole or not at all."""
    write_atomically(path, lambda temporary: torch.save(state, temporary))


def load(path: str | Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint or a state dict; nothing in the file is executed.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a checkpoint, is cut short, or holds more than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}; train first, or name another file by --checkpoint")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} can't be read as a checkpoint ({type(error).__name__}); name another file") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds a {type(state).__name__}, not a checkpoint; name another file")
    return state


def load_network(network: nn.Module, path: str | Path, device: torch.device | str = "cpu") -> nn.Module:
    """Load a network's weights from a checkpoint of a run or from a flat state dict.

    Args:
        network: takes the weights; returned on ``device``.
        path: ``checkpoint_best.pt``, ``model.pt`` or any file of that form.
        device: where the network shall be.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the weights are of another network; names keys that do not fit.
    """
    state = load(path, device)
    weights = state.get("network", state)
    own = network.state_dict()
    wrong = sorted(set(own) ^ set(weights)) or sorted(k for k in own if own[k].shape != weights[k].shape)
    if wrong:
        raise ValueError(
            f"{path} holds the weights of another network: {len(wrong)} keys do not fit, "
            f"such as {', '.join(wrong[:3])}; use the configuration and overrides of the training (its config.yaml)"
        )
    network.load_state_dict(weights)
    return network.to(device)


class NetworkLoader:
    """Handler of an evaluator that loads a run's network before it is scored.

    Args:
        network: takes the weights.
        checkpoint: file of the run.
        device: where the network is.
        split_sha256: hash of the split in use; the checkpoint's own must be the same, for otherwise cases that it was
            trained on might be scored. None leaves it unchecked.

    Raises:
        FileNotFoundError, ValueError: at the start, see ``load_network``, or when the splits differ.
    """

    def __init__(
        self,
        network: nn.Module,
        checkpoint: str | Path,
        device: torch.device | str = "cpu",
        split_sha256: str | None = None,
    ) -> None:
        self.network = network
        self.checkpoint = Path(checkpoint)
        self.device = device
        self.split_sha256 = split_sha256

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._load)

    def _load(self, _engine: Engine) -> None:
        trained_on = load(self.checkpoint).get("metadata", {}).get("split_sha256")
        if self.split_sha256 is not None and trained_on != self.split_sha256:
            raise ValueError(
                f"{self.checkpoint} was trained on another split of the cases, so that some of the cases to score "
                "may have been trained on; give the data, --fold and --split_seed of the training (its config.yaml)"
            )
        load_network(self.network, self.checkpoint, self.device)


def random_states() -> dict[str, Any]:
    """The states of all random generators, of tensors and plain values."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002  # the generator that MONAI uses
    version, words, gauss_next = random.getstate()
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": [version, list(words), gauss_next],
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def restore_random_states(states: dict[str, Any]) -> None:
    """Set all random generators to the states that ``random_states`` returned."""
    torch.set_rng_state(states["torch"].cpu())
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, words, gauss_next = states["python"]
    random.setstate((version, tuple(words), gauss_next))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])
