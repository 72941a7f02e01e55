"""The handler that records a training: loss, learning rate, scores, class weights, machine use, figures, model."""

from __future__ import annotations

import atexit
import logging
import sys
import time
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from ..networks import AdaptiveClassWeight
from ..runs.processes import is_first
from ..runs.run_files import FIGURES, MLFLOW_MODEL, SPLIT, TRACKED_CONFIG
from .addresses import given_address
from .colours import COLOUR_TAG, run_colour
from .journal import Journal, read_records
from .machine import MachineUse
from .mirror import RUNNING, MlflowMirror
from .monai_tracking import share_run
from .uploader import PATIENCE, Uploader

logger = logging.getLogger(__name__)

MACHINE_INTERVAL = 60.0  # seconds between two measurements of the machine inside an epoch


class RunTracker:
    """Records a run in its journal and has it copied to MLflow.

    Metrics: ``train/loss`` and ``train/learning_rate`` by iteration; ``train/seconds_per_epoch``,
    ``train/images_per_second``, ``acw/w_<class>`` and ``system/...`` by epoch; every score of the evaluator as
    ``val/<score>``, and those of the best validation once, at the end, as ``best/<score>``. Pictures that appear in the
    run's ``figures/`` become artefacts. Steps are iterations, so that all curves share one axis.

    Of several processes that train together the first one records.

    Args:
        run_dir: folder of the run, whose name MLflow shows.
        tracking_uri: MLflow's address, ``sqlite:///...`` or a server.
        experiment_name: MLflow experiment; made when it is missing.
        parameters: what the run is, logged as MLflow parameters.
        tags: what the run comes from, logged as MLflow tags.
        evaluator: the validation engine.
        network: the network, whose class weights are recorded when it has any.
        labels: class names, index = class value.
        loss_interval: iterations between two records of the loss, >= 1.
        patience: seconds at the end of the training without an answer of MLflow's, after which the rest waits on disk.
    """

    def __init__(
        self,
        run_dir: str | Path,
        tracking_uri: str,
        experiment_name: str,
        parameters: dict[str, Any],
        tags: dict[str, Any],
        evaluator: Engine | None = None,
        network: torch.nn.Module | None = None,
        labels: list[str] | None = None,
        loss_interval: int = 1,
        patience: float = PATIENCE,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.evaluator = evaluator
        self.network = network
        self.labels = labels or []
        self.loss_interval = loss_interval
        self.journal = Journal(run_dir)
        description = {"tracking_uri": tracking_uri, "experiment_name": experiment_name, "run_name": self.run_dir.name}
        colour = {COLOUR_TAG: run_colour(str(parameters.get("loss", "")), self.run_dir.name)}
        whole = {**description, "params": parameters, "tags": {**tags, **colour}}
        if not is_first():
            return
        self._mirror = MlflowMirror(run_dir, whole, tracking_uri=given_address(tracking_uri))
        self._uploader = Uploader(self._mirror, patience=patience)
        self._machine = MachineUse(self.run_dir)
        self._machine_time = self._epoch_start = self._iteration_end = time.perf_counter()
        self._iterations = 0  # of this process in this epoch
        self._trainer: Engine | None = None
        self._closed = False
        self._first = True  # step of this process is yet to come
        self._figures: dict[str, int] = {}  # name: time of the last change

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer; the evaluator is attached along with it."""
        if not is_first():
            return
        self._trainer = engine
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._epoch_started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)
        engine.add_event_handler(Events.COMPLETED, lambda _: self.close("FINISHED"))
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._validated)

    def close(self, status: str) -> None:
        """Record how the run ended, on disk, then wait until MLflow has everything, as long as it answers."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self._exit)
        self._log_new_figures()
        if status == "FINISHED":
            self._log_best()
        if (self.run_dir / MLFLOW_MODEL).is_dir():
            self.journal.log_artifact(self.run_dir / MLFLOW_MODEL, "model")
        self.journal.close()
        if not self._uploader.close(status):
            logger.warning("MLflow lacks a part of this run; bring it over with: python -m monai.bundle run sync ...")

    def _start(self, engine: Engine) -> None:
        if self._closed:  # the next round of a federated client
            self._closed = False
            self.journal = Journal(self.run_dir)
            self._uploader = Uploader(self._mirror, patience=self._uploader.patience)
        self.journal.expect_repeats(engine.state.iteration)
        for name in (TRACKED_CONFIG, SPLIT):
            if (self.run_dir / name).is_file():
                self.journal.log_artifact(self.run_dir / name, "")
        self._mirror.finish(RUNNING)
        share_run([engine, self.evaluator], self._mirror)
        atexit.register(self._exit)
        self._uploader.start()
        self._first = True

    def _epoch_started(self, _engine: Engine) -> None:
        self._epoch_start = time.perf_counter()
        self._iterations = 0

    def _iteration(self, engine: Engine) -> None:
        self._iterations += 1
        self._iteration_end = time.perf_counter()
        step = engine.state.iteration
        if step % self.loss_interval == 0:
            rate = engine.optimizer.param_groups[0]["lr"]
            loss = float(engine.state.output[0]["loss"])
            self.journal.log_metrics({"train/loss": loss, "train/learning_rate": rate}, step)
        if time.perf_counter() - self._machine_time > MACHINE_INTERVAL:
            self._log_machine(step)
        if self._first:  # not before: importing MLflow takes as long as all that comes before the first step
            self._first = False
            self._uploader.wake()

    def _epoch(self, engine: Engine) -> None:
        seconds = self._iteration_end - self._epoch_start  # of training alone: validation came in between
        metrics = self._class_weights()
        if self._iterations == engine.state.epoch_length:  # a whole epoch of this process
            images = self._iterations * engine.data_loader.batch_size * idist.get_world_size()
            metrics |= {"train/seconds_per_epoch": seconds, "train/images_per_second": images / seconds}
        self.journal.log_metrics(metrics, engine.state.iteration)
        self._log_machine(engine.state.iteration)
        self._log_new_figures()
        self.journal.flush()
        self._uploader.wake()

    def _log_machine(self, step: int) -> None:
        self._machine_time = time.perf_counter()
        self.journal.log_metrics(self._machine.measure(), step)

    def _class_weights(self) -> dict[str, float]:
        modules = [] if self.network is None else self.network.modules()
        layers = [module for module in modules if isinstance(module, AdaptiveClassWeight)]
        if not layers:
            return {}
        return {f"acw/w_{n}": float(w) for n, w in zip(self.labels, layers[0].weight.detach().cpu(), strict=True)}

    def _log_new_figures(self) -> None:
        for path in sorted((self.run_dir / FIGURES).glob("*.png")):
            changed = path.stat().st_mtime_ns
            if self._figures.get(path.name) != changed:
                self._figures[path.name] = changed
                self.journal.log_artifact(path, FIGURES)

    def _validated(self, evaluator: Engine) -> None:
        assert self._trainer is not None
        step = self._trainer.state.iteration
        scores = {name: value for name, value in evaluator.state.metrics.items() if isinstance(value, float)}
        self.journal.log_metrics({f"val/{name}": value for name, value in scores.items()}, step)

    def _log_best(self) -> None:
        """Record the scores of the best validation, once and at step 0: one number, which MLflow draws as a bar."""
        epoch = -1 if self.evaluator is None else self.evaluator.state.best_metric_epoch
        if epoch < 1 or self._trainer is None or not self.journal.path.is_file():
            return
        step = epoch * self._trainer.state.epoch_length
        best: dict[str, float] = {}
        for record, _ in read_records(self.journal.path):  # the best epoch may be of an earlier process
            if record.get("step") == step:
                scores = {name: value for name, value in record["metrics"].items() if name.startswith("val/")}
                best |= {f"best/{name.removeprefix('val/')}": value for name, value in scores.items()}
        self.journal.log_metrics({**best, "best/epoch": epoch}, 0)

    def _fail(self, _engine: Engine, error: BaseException) -> None:
        self.close("KILLED" if isinstance(error, SystemExit | KeyboardInterrupt) else "FAILED")
        raise error

    def _exit(self) -> None:
        """The process ends while the run is open: an interrupt, or an error outside the engine."""
        self.close("FAILED" if sys.exc_info()[0] is None and hasattr(sys, "last_exc") else "KILLED")
