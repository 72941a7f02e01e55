"""An SQLite store is there whole or not at all, whatever stops the process that makes it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import mlflow.store.db.utils as mlflow_tables
import pytest

from scripts.tracking.addresses import sqlite_address
from scripts.tracking.stores import open_client, prepare_client


@pytest.fixture
def database(tmp_path: Path) -> Path:
    prepare_client()
    return tmp_path / "a folder" / "mlflow.db"


def open_in_a_process(database: Path) -> int:
    """Open a store in a process of its own, since MLflow keeps what it has opened; returns the exit code."""
    process = os.fork()
    if process == 0:
        code = 1
        with contextlib.suppress(BaseException):
            open_client(sqlite_address(database)).search_experiments()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def break_off(database: Path) -> None:
    """What a process leaves that is killed while MLflow makes its tables."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE _alembic_tmp_experiments (name TEXT)")
        connection.execute("UPDATE alembic_version SET version_num = '181f10493468'")
        connection.execute("DROP TABLE trace_info")


def names(database: Path) -> set[str]:
    return {experiment.name for experiment in open_client(sqlite_address(database)).search_experiments()}


def test_a_process_that_is_killed_while_it_makes_a_store_leaves_none(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.parent.mkdir()

    def killed(engine: Any) -> None:
        mlflow_tables.InitialBase.metadata.create_all(engine)
        os._exit(9)

    monkeypatch.setattr(mlflow_tables, "_initialize_tables", killed)
    assert open_in_a_process(database) == 9
    assert [path.name for path in database.parent.iterdir() if not path.name.startswith(".mlflow.db-")] == []
    monkeypatch.undo()
    assert names(database) == {"Default"}
    assert [path.name for path in database.parent.iterdir()] == ["mlflow.db"]


def test_a_store_without_runs_that_was_not_finished_is_made_again(database: Path) -> None:
    database.parent.mkdir()
    assert open_in_a_process(database) == 0
    break_off(database)
    assert names(database) == {"Default"}


def test_a_store_that_holds_something_is_never_made_again(database: Path) -> None:
    database.parent.mkdir()
    client = open_client(sqlite_address(database))
    experiment = client.create_experiment("kept")
    before = database.stat().st_ino
    assert names(database) == {"Default", "kept"}
    run = client.create_run(experiment).info.run_id
    client.delete_experiment(experiment)
    assert names(database) == {"Default"}
    assert client.get_run(run).info.run_id == run
    assert database.stat().st_ino == before
