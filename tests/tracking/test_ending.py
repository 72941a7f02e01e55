"""How a training ended is on disk before MLflow is waited for, and the wait has an end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from types import SimpleNamespace

import pytest
from ignite.engine import Engine

from scripts.storage.locks import file_lock
from scripts.tracking import MlflowMirror, RunTracker, sync_runs
from scripts.tracking.uploader import Uploader
from tests.tracking.fake_mlflow import FakeMlflow
from tests.waiting import wait_until


@pytest.fixture
def server() -> Iterator[FakeMlflow]:
    with FakeMlflow() as server:
        yield server


def begin(folder: Path, uri: str, patience: float) -> Uploader:
    folder.mkdir()
    words = {"tracking_uri": uri, "experiment_name": "e", "run_name": "run", "params": {}, "tags": {}}
    uploader = Uploader(MlflowMirror(folder, words), patience=patience)
    uploader.mirror.finish("RUNNING")
    uploader.wake()
    return uploader


def test_a_training_that_ends_while_others_hold_the_store_is_finished(server: FakeMlflow, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    uploader = begin(run_dir, server.uri, patience=0.1)
    with file_lock(run_dir / ".tracking.lock"):
        uploader.start()
        wait_until(lambda: uploader.mirror.waiting, lambda: uploader.mirror.state)
        began = time.monotonic()
        assert not uploader.close("FINISHED")
        assert 0.9 < time.monotonic() - began < 30  # waiting is no silence, but it has an end
        assert '"FINISHED"' in (run_dir / "metrics.jsonl").read_text()
    wait_until(lambda: not uploader.mirror.pending, lambda: uploader.mirror.state)
    sync_runs(tmp_path)
    assert server.run["info"]["status"] == "FINISHED"


def test_waiting_for_others_is_no_silence(server: FakeMlflow, tmp_path: Path) -> None:
    uploader = begin(tmp_path / "run", server.uri, patience=4)
    lock = file_lock(tmp_path / "run" / ".tracking.lock")
    lock.__enter__()
    uploader.start()
    wait_until(lambda: uploader.mirror.waiting, lambda: uploader.mirror.state)
    Timer(5, lambda: lock.__exit__(None, None, None)).start()
    assert uploader.close("FINISHED")
    assert server.run["info"]["status"] == "FINISHED"


def test_a_stopped_process_waits_for_seconds_only(
    server: FakeMlflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.tracking.uploader.STOPPED", 0.5)
    uploader = begin(tmp_path / "run", server.uri, patience=60)
    with file_lock(tmp_path / "run" / ".tracking.lock"):
        uploader.start()
        began = time.monotonic()
        uploader.close("KILLED")
        assert time.monotonic() - began < 30  # not the patience
    wait_until(lambda: not uploader.is_alive(), lambda: uploader.mirror.state)


def test_an_api_that_hangs_while_health_answers_is_given_up_after_the_patience(
    server: FakeMlflow, tmp_path: Path
) -> None:
    server.faults["/api/"] = "hang"
    uploader = begin(tmp_path / "run", server.uri, patience=1.0)
    uploader.start()
    began = time.monotonic()
    assert not uploader.close("FINISHED")
    assert 0.9 < time.monotonic() - began < 20  # the client itself would wait for 40 s
    assert not MlflowMirror(tmp_path / "run").unfinished


def test_the_end_in_mlflow_is_the_end_of_the_training_and_not_of_the_sync(server: FakeMlflow, tmp_path: Path) -> None:
    uploader = begin(tmp_path / "run", server.uri, patience=1.0)
    uploader.mirror.finish("FINISHED")
    ended = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()][-1]["time"]
    time.sleep(0.05)
    sync_runs(tmp_path)
    assert server.run["info"]["end_time"] == ended


def test_scores_that_are_sent_while_a_training_ends_leave_its_status(server: FakeMlflow, tmp_path: Path) -> None:
    training = begin(tmp_path / "run", server.uri, patience=1.0).mirror
    training.push()
    evaluation = MlflowMirror(tmp_path / "run")  # knows the run as it was
    training.finish("FINISHED")
    evaluation.push()
    training.push()
    assert server.run["info"]["status"] == "FINISHED"
    assert not MlflowMirror(tmp_path / "run").unfinished


def test_nothing_is_sent_before_the_first_step_is_done(server: FakeMlflow, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    tracker = RunTracker(tmp_path / "run", server.uri, "e", parameters={}, tags={})
    woken: list[bool] = []

    def step(_engine: Engine, _batch: int) -> list[dict[str, float]]:
        time.sleep(0.2)  # long enough for a thread that was woken
        woken.append(tracker._uploader._wake.is_set() or bool(server.runs or server.experiments))
        return [{"loss": 0.5}]

    engine = Engine(step)
    engine.optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}])
    engine.data_loader = SimpleNamespace(batch_size=1)
    tracker.attach(engine)
    engine.run([0, 1], max_epochs=1)
    assert woken[0] is False
    assert server.run["info"]["status"] == "FINISHED"
