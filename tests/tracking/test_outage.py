"""A tracking server that is away at any time costs no point and no training."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from scripts.tracking import MlflowMirror, read_records, sync_runs
from scripts.tracking.journal import Journal
from scripts.tracking.uploader import Uploader
from tests.tracking.servers import Server
from tests.waiting import wait_until

POINTS = 60
LONG = 20.0  # seconds: 60 points that wait for a server, for two seconds or more each, take minutes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


def begin(run_dir: Path, uri: str) -> tuple[Journal, Uploader]:
    run_dir.mkdir(parents=True)
    words = {"tracking_uri": uri, "experiment_name": "outage", "run_name": run_dir.name, "params": {"a": 1}, "tags": {}}
    uploader = Uploader(MlflowMirror(run_dir, words), interval=0.2)
    uploader.start()
    return Journal(run_dir), uploader


def record(journal: Journal, steps: range) -> float:
    """Record points as a training does; returns the seconds that it took."""
    began = time.perf_counter()
    for step in steps:
        journal.log_metrics({"train/loss": 1 / (step + 1), "train/learning_rate": 0.1}, step)
    return time.perf_counter() - began


def finish(journal: Journal, uploader: Uploader, status: str = "FINISHED") -> bool:
    """Close the run, which takes seconds though MLflow's own retries take minutes; returns whether MLflow has all."""
    journal.close()
    began = time.monotonic()
    complete = uploader.close(status)
    assert time.monotonic() - began < 60
    return complete


def points_there(run_dir: Path) -> Counter[tuple[str, int, float]]:
    state = json.loads((run_dir / "tracking.json").read_text())
    client = mlflow.MlflowClient(state["tracking_uri"])
    names = client.get_run(state["run_id"]).data.metrics
    return Counter((p.key, p.step, p.value) for n in names for p in client.get_metric_history(state["run_id"], n))


def points_here(run_dir: Path) -> Counter[tuple[str, int, float]]:
    records = [r for r, _ in read_records(run_dir / "metrics.jsonl") if "metrics" in r]
    return Counter((name, r["step"], value) for r in records for name, value in r["metrics"].items())


def assert_complete(run_dir: Path, status: str = "FINISHED") -> None:
    here = points_here(run_dir)
    assert here.total() == 2 * POINTS
    assert points_there(run_dir) == here
    state = json.loads((run_dir / "tracking.json").read_text())
    assert mlflow.MlflowClient(state["tracking_uri"]).get_run(state["run_id"]).info.status == status


def test_a_server_that_is_down_at_the_start(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.stop()
    run_dir = tmp_path / "run"
    journal, uploader = begin(run_dir, server.uri)
    assert record(journal, range(POINTS)) < LONG  # the training's thread writes to the journal and to nothing else
    assert not finish(journal, uploader)
    with pytest.raises(ValueError, match=r"1 run\(s\) wait for MLflow, such as run .*127.0.0.1:\d+ does not answer"):
        sync_runs(tmp_path)
    server.start()
    with caplog.at_level(logging.INFO):
        assert sync_runs(tmp_path) == ["run"]
        assert_complete(run_dir)
        assert sync_runs(tmp_path) == []
    said = [line for line in caplog.messages if "run(s)" in line]
    assert said[-2] == "MLflow: of 1 run(s), 1 brought over now, 0 complete before"
    assert said[-1] == "MLflow: of 1 run(s), 0 brought over now, 1 complete before"
    assert_complete(run_dir)


def test_a_server_that_dies_and_comes_back(server: Server, tmp_path: Path) -> None:
    server.start()
    over, ended = tmp_path / "over", tmp_path / "ended"  # the outage is over before the training, or is not
    runs = [begin(run_dir, server.uri) for run_dir in (over, ended)]
    for journal, uploader in runs:
        record(journal, range(POINTS // 2))
        wait_until(
            lambda uploader=uploader: not uploader.mirror.pending, lambda uploader=uploader: uploader.mirror.state
        )
    server.stop()
    for journal, _ in runs:
        assert record(journal, range(POINTS // 2, POINTS)) < LONG
    assert not finish(*runs[1])
    server.start()
    assert finish(*runs[0])
    assert_complete(over)
    assert sync_runs(tmp_path) == ["ended"]
    assert_complete(ended)


def test_a_server_that_hangs_holds_nothing_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    server.start()
    server.hang()
    run_dir = tmp_path / "run"
    journal, uploader = begin(run_dir, server.uri)
    assert record(journal, range(POINTS)) < LONG
    assert not finish(journal, uploader, "FAILED")
    server.go_on()
    sync_runs(tmp_path)
    assert_complete(run_dir, "FAILED")


def test_points_sent_twice_are_there_once(server: Server, tmp_path: Path) -> None:
    server.start()
    run_dir = tmp_path / "run"
    journal, uploader = begin(run_dir, server.uri)
    record(journal, range(POINTS))
    assert finish(journal, uploader)
    state = json.loads((run_dir / "tracking.json").read_text())
    (run_dir / "tracking.json").write_text(json.dumps({**state, "offset": 0, "told": None}))
    sync_runs(tmp_path)
    assert_complete(run_dir)


def test_the_next_start_brings_over_what_a_killed_run_left(server: Server, tmp_path: Path) -> None:
    server.start()
    killed = tmp_path / "killed"
    killed.mkdir()
    words = {"tracking_uri": server.uri, "experiment_name": "outage", "run_name": "killed", "params": {}, "tags": {}}
    MlflowMirror(killed, words).finish("RUNNING")
    journal = Journal(killed)
    record(journal, range(POINTS))
    journal.close()
    journal, uploader = begin(tmp_path / "next", server.uri)
    uploader.wake()
    told = killed / "tracking.json"
    wait_until(lambda: "KILLED" in told.read_text() and not MlflowMirror(killed).pending, told.read_text)
    assert finish(journal, uploader)
    assert_complete(killed, "KILLED")


def test_a_journal_cannot_send_files_from_elsewhere(server: Server, tmp_path: Path) -> None:
    server.start()
    (tmp_path / "secret").write_text("x")
    journal, uploader = begin(tmp_path / "run", server.uri)
    journal.path.write_text(json.dumps({"artifact": "../secret", "folder": "", "time": 1}) + "\n")
    record(journal, range(POINTS))
    assert finish(journal, uploader)
    assert uploader.mirror.refused == {"artefact ../secret": "it lies outside the run folder"}
    assert_complete(tmp_path / "run")
    assert not mlflow.MlflowClient(server.uri).list_artifacts(uploader.mirror.state["run_id"])
