"""What tells MLflow's stores apart: a database file that several processes share, or a server that may be away."""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..configuration.passwords import redact
from ..storage.home import provide_home
from ..storage.locks import file_lock
from .addresses import sqlite_address, sqlite_file

ARTIFACTS = "mlartifacts"  # folder of the artefacts, beside an SQLite database
CONNECT_WITHIN = 5.0  # seconds

# MLflow's own patience (7 retries of 120 s) would hold a call for minutes; here a failed call is made again later.
# The link that it prints when a run ends would land in the progress bar, with the password of its address.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
TALKATIVE = ("mlflow", "alembic", "urllib3.connectionpool")  # loggers whose lines would land in the progress bar


def prepare_client() -> None:
    """Import MLflow, which takes seconds, with short patience and without lines of its own."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    provide_home()
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level < logging.ERROR:
            logger.setLevel(logging.ERROR)


@contextlib.contextmanager
def store_lock(tracking_uri: str) -> Iterator[None]:
    """Let one process at a time use an SQLite store.

    Processes that create a store together break it for good, and many writers wait for each other in vain.
    """
    database = sqlite_file(tracking_uri)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(database.with_name(f"{database.name}.lock")):
        yield


def require_answer(tracking_uri: str) -> None:
    """Ask a server for a sign of life, as MLflow's own client would: same login, certificates, proxies and time.

    The client itself would try again and again on a server that hangs. Any answer counts, if only to refuse.

    Raises:
        ConnectionError: it does not answer; the message holds no password.
    """
    if urlsplit(tracking_uri).scheme not in ("http", "https"):
        return
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    patience = float(MLFLOW_HTTP_REQUEST_TIMEOUT.get())
    credentials = get_default_host_creds(tracking_uri)
    options = {"max_retries": 0, "timeout": (min(CONNECT_WITHIN, patience), patience), "retry_codes": ()}
    try:
        http_request(credentials, "/health", "GET", raise_on_status=False, stream=True, **options).close()
    except Exception as error:
        why = _innermost(error)
        raise ConnectionError(f"{redact(tracking_uri)} does not answer: {redact(why)}") from None


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
        if not database.is_file() or _tables(database) != _tables(fresh):
            for ending in ("-journal", "-wal", "-shm"):
                database.with_name(f"{database.name}{ending}").unlink(missing_ok=True)
            os.replace(fresh, database)


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


def open_client(tracking_uri: str) -> Any:
    """An ``MlflowClient``; the caller holds the lock of the store."""
    import mlflow

    database = sqlite_file(tracking_uri)
    if database is not None:
        provide_database(database)
        bring_artifacts_along(database)
        # MLflow makes the parent of what stands behind "sqlite:///", without decoding it
        tracking_uri = tracking_uri.replace("sqlite:///", "sqlite+pysqlite:///", 1)
    return mlflow.MlflowClient(tracking_uri)


def _local_path(location: str | None) -> Path | None:
    if not location or not location.startswith("file:"):
        return None
    return Path(url2pathname(urlsplit(location).path))


def _innermost(error: BaseException) -> str:
    """The plainest words that an error of a connection has: those of its first cause."""
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).splitlines()[0][:200]
