"""Where the database and the artefacts lie: in the output folder, whatever its name, and also after it was moved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from scripts.tracking import Journal, MlflowMirror, sync_runs
from scripts.tracking.addresses import sqlite_address
from scripts.tracking.database import bring_artifacts_along
from scripts.tracking.stores import open_client
from tests.tracking.fake_mlflow import FakeMlflow
from tests.workflows import run_workflow, tiny_overrides

PICTURES = "small"  # see tests/quicker.py

NETWORK = {"network_def::_target_": "tests.tiny_network.TinyNetwork", "max_epochs": 1}


def record(run_dir: Path, name: str, step: int) -> None:
    journal = Journal(run_dir)
    (run_dir / name).write_text(name)
    journal.log_metrics({"train/loss": float(step)}, step)
    journal.log_artifact(run_dir / name, "figures")
    journal.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, as making one takes seconds."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    mlflow.MlflowClient(sqlite_address(path)).search_experiments()
    return path


@pytest.fixture
def database(template: Path) -> Callable[[Path], str]:
    """Puts a new database into a folder and returns its address."""

    def put(folder: Path) -> str:
        folder.mkdir()
        shutil.copy(template, folder)
        return address(folder)

    return put


def address(root: Path) -> str:
    return sqlite_address(root / "mlflow.db")


def new_run(run_dir: Path, uri: str) -> MlflowMirror:
    run_dir.mkdir()
    words = {"tracking_uri": uri, "experiment_name": "e", "run_name": run_dir.name, "params": {}, "tags": {}}
    return MlflowMirror(run_dir, words)


def artifacts_of(root: Path, run_id: str) -> set[str]:
    client = open_client(address(root))
    return {item.path for item in client.list_artifacts(run_id, "figures")}


def run_id_of(run_dir: Path) -> str:
    return str(json.loads((run_dir / "tracking.json").read_text())["run_id"])


def test_every_folder_name_keeps_everything_inside_and_moves_as_a_whole(
    tmp_path: Path, database: Callable[[Path], str]
) -> None:
    before, after, copy = tmp_path / "a b%20#ü?", tmp_path / "moved ä", tmp_path / "copy"
    uri = database(before)
    new_run(before / "one", uri)
    record(before / "one", "first.png", 1)
    MlflowMirror(before / "one").push()
    assert [path.name for path in tmp_path.iterdir()] == [before.name]
    assert {"mlflow.db", "mlflow.db.lock", "mlartifacts", "one"} == {path.name for path in before.iterdir()}
    identity = run_id_of(before / "one")
    assert artifacts_of(before, identity) == {"figures/first.png"}

    _artifact_repos_cache.clear()  # of this process; a moved folder is used by another
    before.rename(after)
    record(after / "one", "second.png", 2)
    assert sync_runs(after) == ["one"]
    assert not before.exists()
    assert run_id_of(after / "one") == identity
    assert artifacts_of(after, identity) == {"figures/first.png", "figures/second.png"}

    _artifact_repos_cache.clear()
    shutil.copytree(after, copy)
    record(copy / "one", "third.png", 3)
    assert sync_runs(copy) == ["one"]
    assert artifacts_of(copy, identity) == {f"figures/{name}.png" for name in ("first", "second", "third")}
    assert len(artifacts_of(after, identity)) == 2
    assert bring_artifacts_along(copy / "mlflow.db") == 0


def test_a_run_folder_that_was_copied_alone_is_whole_in_its_new_place(
    tmp_path: Path, database: Callable[[Path], str]
) -> None:
    uri = database(tmp_path / "a")
    database(tmp_path / "b")
    new_run(tmp_path / "a" / "one", uri)
    record(tmp_path / "a" / "one", "first.png", 1)
    MlflowMirror(tmp_path / "a" / "one").push()
    shutil.copytree(tmp_path / "a" / "one", tmp_path / "b" / "one")
    record(tmp_path / "b" / "one", "second.png", 2)
    assert sync_runs(tmp_path / "b") == ["one"]
    assert len(artifacts_of(tmp_path / "b", run_id_of(tmp_path / "b" / "one"))) == 2


def test_a_run_goes_whole_to_another_address_and_is_not_sent_there_twice(tmp_path: Path) -> None:
    with FakeMlflow() as first, FakeMlflow() as second:
        (tmp_path / "runs").mkdir()
        new_run(tmp_path / "runs" / "one", first.uri)
        record(tmp_path / "runs" / "one", "first.png", 1)
        MlflowMirror(tmp_path / "runs" / "one").push()
        record(tmp_path / "runs" / "one", "second.png", 2)
        assert sync_runs(tmp_path / "runs", second.uri) == ["one"]
        assert [len(server.points) for server in (first, second)] == [1, 2]
        assert len(second.artifacts) == 2
        assert sync_runs(tmp_path / "runs", second.uri) == []
        assert sync_runs(tmp_path / "runs") == []
        assert json.loads((tmp_path / "runs" / "one" / "tracking.json").read_text())["tracking_uri"] == second.uri


def start(folder: Path, run_id: str = "run", **overrides: Any) -> None:
    run_workflow(
        "train.yaml", run_id=run_id, **tiny_overrides(folder, bundle_root=str(folder), **{**NETWORK, **overrides})
    )


def test_a_resumed_training_goes_to_the_address_that_it_is_given(tmp_path: Path) -> None:
    with FakeMlflow() as first, FakeMlflow() as second:
        start(tmp_path, run_name="r", tracking_uri=first.uri)
        assert first.run["info"]["status"] == "FINISHED"
        start(tmp_path, "sync", run_name="r")  # no address given: the run's own, not the default database
        assert not (tmp_path / "runs" / "mlflow.db").exists()
        start(tmp_path, run_name="r", resume=True, tracking_uri=second.uri, max_epochs=2)
        assert second.run["info"]["status"] == "FINISHED"
        assert len(second.points) > len(first.points)


def test_a_database_in_use_elsewhere_is_left_alone(tmp_path: Path, database: Callable[[Path], str]) -> None:
    """Artefacts stay where they are when no folder of that name lies beside the database."""
    uri = database(tmp_path / "a")
    new_run(tmp_path / "a" / "one", uri).push()
    (tmp_path / "a" / "mlartifacts").mkdir(exist_ok=True)
    shutil.copy(tmp_path / "a" / "mlflow.db", tmp_path / "backup.db")
    assert bring_artifacts_along(tmp_path / "backup.db") == 0


@pytest.mark.parametrize("missing", ["absent.db", "empty.db"])
def test_no_database_is_nothing_to_bring_along(tmp_path: Path, missing: str) -> None:
    (tmp_path / "empty.db").touch()
    assert bring_artifacts_along(tmp_path / missing) == 0
