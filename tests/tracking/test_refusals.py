"""What MLflow refuses for good is left out and named; everything else is there, and an outage is something else."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.tracking import Journal, MlflowMirror, sync_runs
from scripts.tracking.names import safe_name
from scripts.tracking.refusals import TrackingRefusedError, reason
from scripts.tracking.uploader import Uploader
from tests.tracking.fake_mlflow import FakeMlflow


@pytest.fixture
def server() -> Iterator[FakeMlflow]:
    with FakeMlflow() as server:
        yield server


OPEN: list[Journal] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def new_run(folder: Path, uri: str, **changes: Any) -> tuple[Journal, MlflowMirror]:
    (folder / "run").mkdir()
    words = {"tracking_uri": uri, "experiment_name": "e", "run_name": "run", "params": {"a": 1}, "tags": {}}
    mirror = MlflowMirror(folder / "run", {**words, **changes})
    OPEN.append(Journal(folder / "run"))
    return OPEN[-1], mirror


def names_in(server: FakeMlflow) -> set[str]:
    return {point[1] for point in server.points}


def status_in(server: FakeMlflow) -> str:
    return str(server.run["info"]["status"])


HARD_NAMES = ["prostate (PZ+TZ)", "Zäpfchen", "前立腺", "a/b", "..", ".", "a//b", "/a", "a/", "a\nb", "100 %", "#1", ""]
HARD_NAMES += ["x" * 300]


def test_any_label_is_a_metric_of_its_own(server: FakeMlflow, tmp_path: Path) -> None:
    journal, mirror = new_run(tmp_path, server.uri)
    journal.log_metrics({f"val/dice/{name}": 0.5 for name in HARD_NAMES} | {"train/loss": math.nan}, 1)
    mirror.finish("FINISHED")
    mirror.push()
    assert mirror.refused == {}
    assert not mirror.pending
    assert len(names_in(server)) == len(HARD_NAMES) + 1
    assert {"val/dice/Zäpfchen", "val/dice/前立腺", "val/dice/a/b"} <= names_in(server)
    tags = {tag["key"]: tag["value"] for tag in server.run["data"]["tags"]}
    renamed = json.loads(tags["adfl.metric_names"])
    assert renamed[safe_name("val/dice/prostate (PZ+TZ)")] == "val/dice/prostate (PZ+TZ)"


def test_names_that_would_become_equal_stay_apart() -> None:
    names = ["a(b", "a)b", "a_b", "a((b", "a" * 251, "a" * 252]
    assert len({safe_name(name) for name in names}) == len(names)
    assert safe_name("a_b") == "a_b"


def test_a_metric_that_is_refused_holds_nothing_up(
    server: FakeMlflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("scripts.tracking.sender.safe_name", lambda name: name)
    journal, mirror = new_run(tmp_path, server.uri)
    for step in range(20):
        journal.log_metrics({"train/loss": 1.0, "val/dice/prostate (PZ+TZ)": 0.5, "val/dice/mean": 0.5}, step)
    mirror.finish("FINISHED")
    mirror.push()
    assert len(server.points) == 40
    assert status_in(server) == "FINISHED"
    assert not mirror.pending
    assert list(mirror.refused) == ["metric val/dice/prostate (PZ+TZ)"]
    assert "MLflow refuses metric val/dice/prostate (PZ+TZ) of run" in caplog.text
    assert "can't be reached" not in caplog.text


@pytest.mark.parametrize("fault", [413, 400, "close", 500])
def test_an_artefact_that_is_too_large_holds_nothing_up(
    server: FakeMlflow, tmp_path: Path, fault: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults["PUT .*large"] = fault
    journal, mirror = new_run(tmp_path, server.uri)
    (journal.path.parent / "model").mkdir()
    for name in ("large.bin", "small.bin"):
        (journal.path.parent / "model" / name).write_bytes(b"x")
    journal.log_artifact(journal.path.parent / "model", "model")
    journal.log_metrics({"train/loss": 1.0}, 1)
    mirror.finish("FINISHED")
    mirror.push()
    assert status_in(server) == "FINISHED"
    assert [path.rpartition("/")[2] for path in server.artifacts] == ["small.bin"]
    assert list(mirror.refused) == ["artefact model/large.bin"]
    assert ("client_max_body_size" in caplog.text) == (fault == 413)
    server.faults.clear()
    assert sync_runs(tmp_path) == ["run"]  # the user has raised the limit
    assert len(server.artifacts) == 2
    assert MlflowMirror(tmp_path / "run").refused == {}


def test_a_parameter_that_is_refused_holds_nothing_up(server: FakeMlflow, tmp_path: Path) -> None:
    many = {f"p{i}": i for i in range(250)}
    _, mirror = new_run(tmp_path, server.uri, params={**many, "a (b)": 1, "long": "x" * 9000})
    mirror.finish("RUNNING")
    mirror.push()
    assert len(server.run["data"]["params"]) == 252


@pytest.mark.parametrize("what", ["run", "experiment"])
def test_a_deleted_run_or_experiment_is_named_with_its_remedy(
    server: FakeMlflow, tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal, mirror = new_run(tmp_path, server.uri)
    mirror.finish("RUNNING")
    mirror.push()
    trash = server.run["info"] if what == "run" else server.experiments["1"]
    trash["lifecycle_stage"] = "deleted"
    server.run["info"]["lifecycle_stage"] = "deleted"
    journal.log_metrics({"train/loss": 1.0}, 1)
    uploader = Uploader(mirror, patience=5)
    uploader.start()
    assert not uploader.close("FINISHED")
    assert "was deleted there; " in caplog.text
    assert f"mlflow {what}s restore" in caplog.text
    assert "can't be reached" not in caplog.text
    with pytest.raises(ValueError, match=f"mlflow {what}s restore"):
        sync_runs(tmp_path)
    trash["lifecycle_stage"] = server.run["info"]["lifecycle_stage"] = "active"
    assert sync_runs(tmp_path) == ["run"]
    assert (names_in(server), status_in(server)) == ({"train/loss"}, "FINISHED")


def test_a_new_run_in_a_deleted_experiment_says_what_to_do(server: FakeMlflow, tmp_path: Path) -> None:
    server.experiments["1"] = {"experiment_id": "1", "name": "e", "lifecycle_stage": "deleted"}
    _, mirror = new_run(tmp_path, server.uri)
    mirror.finish("RUNNING")
    with pytest.raises(TrackingRefusedError, match="name another by --experiment_name"):
        mirror.push()


def test_a_run_that_was_deleted_for_good_is_made_again_in_whole(server: FakeMlflow, tmp_path: Path) -> None:
    journal, mirror = new_run(tmp_path, server.uri)
    journal.log_metrics({"train/loss": 1.0}, 1)
    mirror.push()
    server.runs.clear()
    server.points.clear()
    journal.log_metrics({"train/loss": 0.5}, 2)
    MlflowMirror(tmp_path / "run").push()
    assert [point[2] for point in server.points] == [1.0, 0.5]


def test_one_refused_run_does_not_hold_up_the_others(server: FakeMlflow, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        new_run(tmp_path / name, server.uri, run_name=name, experiment_name="gone" if name == "b" else "e")
        (tmp_path / name / "run").rename(tmp_path / f"run_{name}")
        MlflowMirror(tmp_path / f"run_{name}").finish("FINISHED")
    server.experiments["9"] = {"experiment_id": "9", "name": "gone", "lifecycle_stage": "deleted"}
    with pytest.raises(ValueError, match=r"1 run\(s\) wait for MLflow, such as run_b .*experiment gone was deleted"):
        sync_runs(tmp_path)
    assert sorted(run["info"]["run_name"] for run in server.runs.values()) == ["a", "c"]


@pytest.mark.parametrize(
    ("fault", "words"), [(401, "TRACKING_USERNAME"), (404, "correct --tracking_uri"), (503, "be reached")]
)
def test_other_answers_are_told_apart_and_wait(
    server: FakeMlflow, tmp_path: Path, fault: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server.faults["/api/"] = fault
    journal, mirror = new_run(tmp_path, server.uri)
    journal.log_metrics({"train/loss": 1.0}, 1)
    mirror.finish("FINISHED")
    with pytest.raises(ValueError, match=words):
        sync_runs(tmp_path)
    server.faults.clear()
    assert sync_runs(tmp_path) == ["run"]
    assert len(server.points) == 1


def test_an_outage_is_told_once(
    server: FakeMlflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server.faults["/"] = "close"
    _, mirror = new_run(tmp_path, server.uri)
    uploader = Uploader(mirror)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            uploader._push(False)
    assert caplog.text.count("MLflow can't be reached") == 1


def test_what_is_refused_of_one_run_is_not_said_of_another(server: FakeMlflow, tmp_path: Path) -> None:
    journal, _ = new_run(tmp_path, server.uri)
    (journal.path.parent / "large.bin").write_bytes(b"x")
    journal.log_artifact(journal.path.parent / "large.bin", "")
    with FakeMlflow() as other:
        other.faults["PUT .*large"] = 413
        moved = MlflowMirror(tmp_path / "run", tracking_uri=other.uri)
        moved.push()
        assert list(moved.refused) == ["artefact large.bin"]
    (tmp_path / "next").mkdir()
    assert new_run(tmp_path / "next", server.uri)[1].refused == {}


def test_an_artefact_that_a_resumed_training_replaces_meanwhile_is_not_refused(
    server: FakeMlflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, mirror = new_run(tmp_path, server.uri)
    journal.log_artifact(journal.path.parent / "model", "model")
    gone = (journal.path.parent / "model" / "model.pt2", "model")
    monkeypatch.setattr("scripts.tracking.sender._files", lambda path, folder: [gone])
    mirror.push()
    assert mirror.refused == {}


def test_what_sqlalchemy_says_first_is_not_the_reason() -> None:
    text = (
        "(raised as a result of Query-invoked autoflush; consider)\n(sqlite3.OperationalError) disk is full\n[SQL: x]"
    )
    assert reason(RuntimeError(text)) == "RuntimeError: (sqlite3.OperationalError) disk is full"
    assert reason(RuntimeError("")) == "RuntimeError: "
