"""Going on with a run that was stopped: the same numbers as if it never had been, or a refusal that says why."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import yaml
from ignite.engine import Engine, Events
from torch.optim import Optimizer

from ..errors import UserError
from .checkpoint import load
from .run_files import CONFIG, LAST, SPLIT
from .state import TrainingState
from .state_check import PARTS, refuse_odd_state

logger = logging.getLogger(__name__)

# Keys that may differ between a run and its resumption: they change where things lie and how fast it goes, not the
# numbers. (The data are compared by their fingerprint; max_epochs may be raised.)
FREE_KEYS = {
    "bundle_root", "cache_share", "checkpoint_interval", "dataset_dir", "experiment_name", "figure_interval",
    "keep_checkpoints", "loss_interval", "max_epochs", "max_skipped_batches", "num_workers", "output_dir", "resume",
    "run_name", "tracking_patience", "tracking_uri",
}  # fmt: skip
EPOCH_READERS = (
    "check_optimisation",
    "initialize",
    "tracked_parameters",
    "train::trainer::max_epochs",
)  # all but these stand against raising it
SHOWN = 5  # differences that a refusal names


class Resume:
    """Handler that sets a training to the last checkpoint of its run folder, where there is one.

    It does so when the trainer starts for the first time in a process, and never again.

    Args:
        run_dir: folder of the run.
        state: what is set.
    """

    def __init__(self, run_dir: str | Path, state: TrainingState) -> None:
        self.checkpoint = Path(run_dir) / LAST
        self.config = Path(run_dir) / CONFIG
        self.state = state
        self._begun = False

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before every other handler."""
        engine.add_event_handler(Events.STARTED, self._restore)

    def _restore(self, engine: Engine) -> None:
        if self._begun:
            return  # the next round of a federated client, with the network that it was handed
        self._begun = True
        config = read_table(self.config) if self.config.is_file() else {}
        self.state.metadata = {**self.state.metadata, "config_sha256": comparable_sha256(config)}
        if not self.checkpoint.is_file():
            return
        state = load(self.checkpoint)
        if state.get("metadata") != self.state.metadata:
            raise UserError(
                f"{self.checkpoint} is not of this run: its configuration or split has another hash than the run "
                "folder's; put the run's own files back, or start a new run (--resume false)"
            )
        self._refuse_odd_state(engine, state)
        refuse_more_epochs(self.checkpoint.parent, state, engine.state.max_epochs)
        refuse_other_processes(self.checkpoint.parent, state)
        self.state.give_back(engine, state)
        progress = state["progress"]
        logger.info(
            "resuming %s at epoch %d, iteration %d", self.checkpoint.parent, progress["epoch"], progress["iteration"]
        )

    def _refuse_odd_state(self, engine: Engine, state: dict[str, Any]) -> None:
        expected = {name: item.state_dict() for name, item in self.state.objects.items()}
        if is_slim(state):
            expected = {}
        optimizer = self.state.objects.get("optimizer")
        groups = optimizer.param_groups if isinstance(optimizer, Optimizer) else []
        shapes = [parameter.shape for group in groups for parameter in group["params"]]
        refuse_odd_state(self.checkpoint, state, expected, shapes, engine.state.max_epochs, engine.state.epoch_length)


def is_slim(state: dict[str, Any]) -> bool:
    """Whether a state is that of a finished training which keeps its progress alone (``keep_checkpoints: slim``)."""
    return set(state) == set(PARTS)


def refuse_more_epochs(run_dir: Path, state: dict[str, Any], max_epochs: int) -> None:
    """Refuse to go on with a finished training that keeps its progress alone.

    Raises:
        ValueError: says what is missing.
    """
    if is_slim(state) and state["progress"]["epoch"] < max_epochs and not state["progress"]["terminated"]:
        raise UserError(
            f"{run_dir} can't go on to {max_epochs} epochs: it was kept slim (keep_checkpoints) when it finished its "
            f"{state['progress']['epoch']}, without the last network and the optimiser's state; start a new run with "
            "--resume false --keep_checkpoints all"
        )


def refuse_other_processes(run_dir: Path, state: dict[str, Any]) -> None:
    """Refuse to go on with another number of processes, whose batches and random numbers would be others.

    Raises:
        ValueError: names both numbers.
    """
    before, now = 1 + len(state["random"].get("others", ())), idist.get_world_size()
    if before != now and not is_slim(state):
        raise UserError(
            f"{run_dir} was trained by {before} process(es) and can't go on with {now}: start {before} "
            f"(torchrun --nproc_per_node), or a new run (--resume false)"
        )


def read_table(path: Path) -> dict[str, Any]:
    """Read a file of a run folder, YAML or JSON.

    Raises:
        ValueError: it holds no table; names it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, IsADirectoryError):
        table = None
    if not isinstance(table, dict):
        raise UserError(f"{path} is damaged: it can't be read; put the run's own file back")
    return table


def comparable(config: dict[str, Any]) -> dict[str, str]:
    """What must be equal for a run to be resumed: every value by its place in the configuration, as text."""
    return flatten({key: value for key, value in config.items() if key not in FREE_KEYS})


def comparable_sha256(config: dict[str, Any]) -> str:
    """Hash of what must be equal for a run to be resumed."""
    return hashlib.sha256(json.dumps(comparable(config), sort_keys=True).encode()).hexdigest()


def run_config_sha256(run_dir: str | Path) -> str | None:
    """Hash of a run's own configuration as its checkpoints hold it; None where there is none."""
    path = Path(run_dir) / CONFIG
    return comparable_sha256(read_table(path)) if path.is_file() else None


def refuse_other_config(run_dir: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to resume a run under another configuration.

    Args:
        run_dir: folder of the run, for the message.
        before: the run's own configuration.
        now: the configuration of this start.

    Raises:
        ValueError: names the differences, or says why ``max_epochs`` can't be changed.
    """
    old, new = comparable(before), comparable(now)
    changes = [
        f"{place} is {new.get(place, 'missing')} and was {old.get(place, 'missing')}"
        for place in sorted(set(old) | set(new))
        if old.get(place) != new.get(place)
    ]
    if changes:
        raise UserError(_refusal(run_dir, "another configuration", changes))
    epochs, epochs_before = now.get("max_epochs"), before.get("max_epochs")
    if epochs != epochs_before:
        readers = [
            place for place, value in new.items() if "@max_epochs" in value and not place.startswith(EPOCH_READERS)
        ]
        if readers or not (isinstance(epochs, int) and isinstance(epochs_before, int) and epochs > epochs_before):
            reason = f"; it is read by {', '.join(readers)}" if readers else ", as it can be raised only"
            raise UserError(f"max_epochs of {run_dir} was {epochs_before} and can't become {epochs}{reason}")


def refuse_other_split(run_dir: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to resume a run on other data or another split; both as in ``split.json``.

    Raises:
        ValueError: names the cases that are not where they were.
    """
    if not isinstance(before.get("cases"), dict) or not {"fingerprint", "sha256"} <= set(before):
        raise UserError(f"{run_dir / SPLIT} is damaged: it holds no split; put the run's own file back")
    changes = []
    for part in sorted(set(before["cases"]) | set(now["cases"])):
        old, new = set(before["cases"].get(part, ())), set(now["cases"].get(part, ()))
        changes += [f"{case} is not in the {part} part any more" for case in sorted(old - new)]
        changes += [f"{case} is new in the {part} part" for case in sorted(new - old)]
    if before["fingerprint"] != now["fingerprint"]:
        changes.append(
            f"the prepared data have changed (fingerprint {now['fingerprint'][:12]}, was {before['fingerprint'][:12]})"
        )
    if changes or before["sha256"] != now["sha256"]:
        raise UserError(_refusal(run_dir, "another split", changes or ["its hash has changed"]))


def flatten(value: Any, place: str = "") -> dict[str, str]:
    """Every leaf of nested dicts and lists by its place, ``a::b::0``, as text."""
    if isinstance(value, dict):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(str(index), item) for index, item in enumerate(value)]
    else:
        return {place: str(value)}
    flat: dict[str, str] = {} if items else {place: type(value).__name__}
    for key, item in items:
        flat |= flatten(item, f"{place}::{key}" if place else key)
    return flat


def _refusal(run_dir: Path, what: str, changes: list[str]) -> str:
    more = f"; and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return f"{run_dir} can't be resumed with {what}: {'; '.join(changes[:SHOWN])}{more}"
