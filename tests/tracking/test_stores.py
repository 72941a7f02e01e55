"""An SQLite store is there whole or not at all, whatever stops the process that makes it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.store.db.utils as mlflow_tables
import pytest

from scripts.tracking.addresses import sqlite_address
from scripts.tracking.pages import main as show_pages
from scripts.tracking.refusals import TrackingRefusedError
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


def other_program(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE patients (name TEXT)")
        connection.execute("INSERT INTO patients VALUES ('Doe')")


def damaged(database: Path) -> None:
    database.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)


def cut_short(database: Path) -> None:
    assert open_in_a_process(database) == 0
    database.write_bytes(database.read_bytes()[:20_000])


def without_a_table(database: Path) -> None:
    client = open_client(sqlite_address(database))
    client.create_run(client.create_experiment("kept"))
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TABLE experiments")


def of_another_version(database: Path) -> None:
    elsewhere = database.with_name("elsewhere.db")  # since MLflow keeps what it has opened
    client = open_client(sqlite_address(elsewhere))
    client.create_run(client.create_experiment("kept"))
    elsewhere.rename(database)
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (other_program, r"is a database of another program \(it has patients\); give another --tracking_uri"),
        (damaged, "can't be read as a database of MLflow .*; move it away, .* and run sync"),
        (cut_short, "can't be read as a database of MLflow .*; move it away, .* and run sync"),
        (without_a_table, r"can't be read as a database of MLflow \(no such table: experiments\); move it away"),
        (
            of_another_version,
            "is of another version of MLflow .*; keep a copy of it and run mlflow db upgrade '",
        ),
    ],
)
def test_a_file_that_is_no_store_is_named_with_its_mend_and_left_as_it_is(
    database: Path, spoil: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.parent.mkdir()
    spoil(database)
    before = database.read_bytes()
    with pytest.raises(TrackingRefusedError, match=f"mlflow.db {said}"):
        open_client(sqlite_address(database))
    monkeypatch.setattr("sys.argv", ["pages", "--output_dir", str(database.parent)])
    with pytest.raises(SystemExit, match=f"^error: .*mlflow.db {said}"):
        show_pages()
    assert database.read_bytes() == before


def test_a_store_that_others_hold_is_not_called_damaged(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_in_a_process(database) == 1  # no folder yet
    database.parent.mkdir()
    assert open_in_a_process(database) == 0
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **words: connect(*args, **{**words, "timeout": 0.1}))
    with contextlib.closing(connect(database)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            open_client(sqlite_address(database))


def test_a_folder_in_place_of_the_store_is_not_called_a_lack_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.db").mkdir()
    monkeypatch.setattr("sys.argv", ["pages", "--output_dir", str(tmp_path)])
    with pytest.raises(SystemExit, match="mlflow.db is no file of a database; rename it"):
        show_pages()


@pytest.mark.parametrize("port", ["-1", "0", "70000"])
def test_a_port_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: str
) -> None:
    monkeypatch.setattr("sys.argv", ["pages", "--output_dir", str(tmp_path), "--port", port])
    with pytest.raises(SystemExit):
        show_pages()
    assert f"argument --port: must be 1 to 65535, got {port}" in capsys.readouterr().err
