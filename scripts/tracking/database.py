"""MLflow's own SQLite file: made whole, never in place of what another program keeps, and moved with its artefacts."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from .addresses import sqlite_address
from .refusals import TrackingRefusedError

ARTIFACTS = "mlartifacts"  # folder of the artefacts, beside an SQLite database
OTHER_VERSION = "out-of-date database schema"  # MLflow's words, also of a database that is ahead


def provide_database(database: Path) -> None:
    """Make an SQLite store where there is none, in one step; the caller holds the lock of the store.

    MLflow makes its tables one by one, in about a second, and can't go on where a killed process has left off. A store
    that holds no run is made again unless its tables are complete.
    """
    if database.is_file() and not _holds_nothing(database):
        return
    import mlflow

    unfinished = f".{database.name}-"
    for left in database.parent.glob(f"{glob.escape(unfinished)}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=unfinished, dir=database.parent) as folder:
        fresh = Path(folder) / database.name
        store = mlflow.MlflowClient(sqlite_address(fresh).replace("sqlite:///", "sqlite+pysqlite:///", 1))
        store.search_experiments()
        _refuse_other_program(database, fresh)
        if not database.is_file() or _tables(database) != _tables(fresh):
            for ending in ("-journal", "-wal", "-shm"):
                database.with_name(f"{database.name}{ending}").unlink(missing_ok=True)
            os.replace(fresh, database)


def bring_artifacts_along(database: Path) -> int:
    """Let an SQLite store whose folder was moved or copied find its artefacts beside it; returns how many experiments.

    MLflow keeps absolute places. Those of ``mlartifacts`` folders that are gone, or of which a copy lies beside the
    database, are set to the one beside it.
    """
    if not database.is_file():
        return 0
    here = database.parent / ARTIFACTS
    moved = 0
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            return 0
        for identity, location in connection.execute("SELECT experiment_id, artifact_location FROM experiments"):
            path = _local_path(location)
            if path is None or path.name != ARTIFACTS or path == here or (path.is_dir() and not here.is_dir()):
                continue
            place = (here.as_uri(), identity)
            connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", place)
            connection.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE experiment_id = ?"
                " AND substr(artifact_uri, 1, ?) = ?",
                (here.as_uri(), len(location) + 1, identity, len(location), location),
            )
            moved += 1
    return moved


def lasting_fault(database: Path, error: Exception) -> str | None:
    """What is wrong with a database and stays so, with the remedy; None for what passes, as a lock."""
    if OTHER_VERSION in str(error):
        return (
            f"{database} is of another version of MLflow than the one installed here; keep a copy of it and run "
            f"mlflow db upgrade '{sqlite_address(database)}', or give another --tracking_uri; then sync"
        )
    if type(error) is sqlite3.DatabaseError or str(error).startswith("no such "):
        return (
            f"{database} can't be read as a database of MLflow ({error}); move it away, or put its backup there, and "
            "run sync, which brings all runs over again"
        )
    return None


def _refuse_other_program(database: Path, fresh: Path) -> None:
    """Refuse to replace a database that has tables which MLflow's have not: it may hold anything."""
    if not database.is_file():
        return
    own = {name for name, _ in _tables(fresh)}
    others = sorted(name for name, _ in _tables(database) if name not in own and not name.startswith("_alembic_tmp_"))
    if others:
        raise TrackingRefusedError(
            f"{database} is a database of another program (it has {others[0]}); give another --tracking_uri"
        )


def _holds_nothing(database: Path) -> bool:
    """Whether a store has no run, and no experiment but MLflow's first."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] if table in names else 0
            for table in ("runs", "experiments")
        ]
    return counts[0] == 0 and counts[1] <= 1


def _tables(database: Path) -> set[tuple[str, str | None]]:
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        return set(connection.execute("SELECT name, sql FROM sqlite_master"))


def _local_path(location: str | None) -> Path | None:
    if not location or not location.startswith("file:"):
        return None
    return Path(url2pathname(urlsplit(location).path))
