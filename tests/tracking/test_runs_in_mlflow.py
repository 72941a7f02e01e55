"""What a training's own run looks like in MLflow, however the training ends and whoever else starts."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from ignite.engine import Events
from mlflow.entities import Run
from monai.bundle import ConfigWorkflow

from scripts.runs.checkpoint import load_network
from scripts.runs.lock import lock_run
from scripts.tracking import Journal, MlflowMirror, read_curve, sync_runs
from scripts.tracking.colours import run_colour
from scripts.tracking.stores import prepare_client
from scripts.tracking.uploader import Uploader
from tests.mlflow_tables import VARIABLE
from tests.processes import end, start_one
from tests.tiny_network import TinyNetwork
from tests.workflows import make_workflow, tiny_overrides

PICTURES = "small"  # see tests/quicker.py

NETWORK = {"network_def::_target_": "tests.tiny_network.TinyNetwork"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One database for all, as making one takes seconds."""
    return tmp_path_factory.mktemp("tracked")


def start(folder: Path, name: str, **overrides: Any) -> ConfigWorkflow:
    patience = {"tracking_patience": 120}  # a database is made, on a machine that may be busy
    settings = {**NETWORK, **patience, "run_name": name, "experiment_name": "tested", **overrides}
    workflow = make_workflow("train.yaml", **tiny_overrides(folder, bundle_root=str(folder), **settings))
    workflow.initialize()
    return workflow


def run_of(folder: Path, name: str) -> Run:
    state = json.loads((folder / "runs" / name / "tracking.json").read_text())
    return mlflow.MlflowClient(state["tracking_uri"]).get_run(state["run_id"])


def test_a_training_that_breaks_is_failed_and_one_that_is_stopped_is_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.tracking.uploader.STOPPED", 120)
    workflow = start(folder, "broken")
    workflow.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2), lambda: 1 / 0)
    with pytest.raises(RuntimeError):
        workflow.run()
    assert run_of(folder, "broken").info.status == "FAILED"
    workflow = start(folder, "stopped")
    workflow.trainer.add_event_handler(Events.ITERATION_STARTED(once=2), lambda: os.kill(os.getpid(), 15))
    with pytest.raises(SystemExit):
        workflow.run()
    first = run_of(folder, "stopped")
    assert first.info.status == "KILLED"
    start(folder, "stopped", resume=True).run()
    again = run_of(folder, "stopped")
    assert (again.info.run_id, again.info.status) == (first.info.run_id, "FINISHED")
    assert again.info.end_time > first.info.end_time


def test_a_run_holds_what_it_was_and_no_paths(folder: Path) -> None:
    start(folder, "whole", loss_interval=2, dataset_dir=str(folder / "a_name")).run()
    run = run_of(folder, "whole")
    assert run.data.params["loss"] == "adfl"
    assert run.data.params["batch_size"] == "4"
    assert {"bundle_version", "git_revision", "split_sha256", "data_fingerprint"} <= set(run.data.tags)
    assert not [name for name, value in run.data.tags.items() if str(folder) in value]
    config = (Path(_client(folder).download_artifacts(run.info.run_id, "config.yaml"))).read_text()
    assert str(folder) not in config
    assert "dataset_dir: <dataset_dir>" in config
    assert str(folder) in (folder / "runs" / "whole" / "config.yaml").read_text()
    assert {"val/dice/prostate", "val/iou/background", "val/dice/mean", "best/iou/mean", "acw/w_prostate"} <= set(
        run.data.metrics
    )
    assert {"train/seconds_per_epoch", "train/images_per_second", "train/learning_rate"} <= set(run.data.metrics)
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(run.data.metrics)
    assert sorted(read_curve(folder / "runs" / "whole" / "metrics.jsonl", "train/loss")) == [2, 4, 6]
    best = _client(folder).get_metric_history(run.info.run_id, "best/dice/mean")  # one number, which is drawn as a bar
    val = _client(folder).get_metric_history(run.info.run_id, "val/dice/mean")
    assert [(point.step, point.value) for point in best] == [(0, max(point.value for point in val))]
    assert run.data.tags["mlflow.runColor"] == run_colour("adfl", "whole")


def test_pictures_and_model_are_artefacts_and_the_model_loads_back(folder: Path) -> None:
    start(folder, "modelled").run()
    run = run_of(folder, "modelled")
    client = _client(folder)
    figures = {item.path for item in client.list_artifacts(run.info.run_id, "figures")}
    assert {"figures/learning_curves.png", "figures/class_weights.png"} <= figures
    assert {"figures/validation_epoch_002.png", "figures/validation_confusion_epoch_002.png"} <= figures
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'runs' / 'mlflow.db'}")
    try:
        uri = f"runs:/{run.info.run_id}/model"
        network = mlflow.pytorch.load_model(uri)
        function = mlflow.pyfunc.load_model(uri)
    finally:
        mlflow.set_tracking_uri(None)
    images = np.random.default_rng(1).random((3, 1, 32, 32), dtype=np.float32)  # another number than was traced
    expected = load_network(TinyNetwork(), folder / "runs" / "modelled" / "model.pt").eval()(torch.from_numpy(images))
    torch.testing.assert_close(network(torch.from_numpy(images)), expected)
    torch.testing.assert_close(torch.as_tensor(function.predict(images)), expected.detach())
    assert function.metadata.signature.inputs.inputs[0].shape == (-1, 1, 32, 32)
    assert function.input_example.shape == (2, 1, 32, 32)
    assert not list((folder / "runs" / "modelled" / "mlflow_model").rglob("*.pkl"))


def test_monais_own_tracking_logs_into_the_same_run(folder: Path) -> None:
    start(folder, "monai", tracking="mlflow").run()
    run = run_of(folder, "monai")
    assert run.info.status == "FINISHED"
    assert {"train_loss", "train/loss", "val/dice/mean", "dice/mean"} <= set(run.data.metrics)
    same_name = [r for r in _client(folder).search_runs([run.info.experiment_id]) if r.info.run_name == "monai"]
    assert len(same_name) == 1


def _client(folder: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{folder / 'runs' / 'mlflow.db'}")


def track(root: Path, name: str) -> int:
    """What a training does with MLflow."""
    (root / name).mkdir()
    lock_run(root / name)  # as a training does: the others take a run without its lock for a dead one
    words = {"tracking_uri": f"sqlite:///{root}/mlflow.db", "experiment_name": "fresh", "run_name": name}
    uploader = Uploader(MlflowMirror(root / name, {**words, "params": {"name": name}, "tags": {}}), patience=120)
    uploader.start()
    journal = Journal(root / name)
    for step in range(20):
        journal.log_metrics({"train/loss": step / 7, "train/learning_rate": 0.1}, step)
        uploader.wake()
        time.sleep(0.02)
    journal.close()
    return 0 if uploader.close("FINISHED") else 1


def track_six(root: Path) -> None:
    """Six trainings at once on a store that each of them finds empty."""
    prepare_client()  # once for all, as importing takes seconds
    children = []
    for index in range(6):
        children.append(os.fork())
        if children[-1] == 0:
            os._exit(track(root, f"run{index}"))
    sys.exit(max(os.waitpid(child, 0)[1] for child in children) != 0)


@pytest.mark.slow
def test_six_trainings_that_start_together_on_a_fresh_store_are_six_runs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fresh = {VARIABLE: ""}  # with tables that they make themselves
    assert end([start_one(log, track_six, tmp_path, environment=fresh)]) == [0], log.read_text()
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("fresh")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.params["name"] for run in runs) == sorted(f"run{i}" for i in range(6))
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")]
        assert sorted(steps) == list(range(20))
    assert sync_runs(tmp_path) == []
