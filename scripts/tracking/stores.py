"""What tells MLflow's stores apart: a database file that several processes share, or a server that may be away."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ..configuration.passwords import redact
from ..storage.home import provide_home
from ..storage.locks import file_lock
from .addresses import sqlite_file
from .database import bring_artifacts_along, lasting_fault, provide_database
from .refusals import TrackingRefusedError

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


def open_client(tracking_uri: str) -> Any:
    """An ``MlflowClient``; the caller holds the lock of the store.

    Raises:
        TrackingRefusedError: an SQLite file is damaged, or not MLflow's, or of another version of it; names it.
    """
    import mlflow

    database = sqlite_file(tracking_uri)
    if database is None:
        return mlflow.MlflowClient(tracking_uri)
    try:
        provide_database(database)
        bring_artifacts_along(database)
        # MLflow makes the parent of what stands behind "sqlite:///", without decoding it
        return mlflow.MlflowClient(tracking_uri.replace("sqlite:///", "sqlite+pysqlite:///", 1))
    except (sqlite3.DatabaseError, mlflow.MlflowException) as error:
        fault = lasting_fault(database, error)
        if fault is None:
            raise
        raise TrackingRefusedError(fault) from error


def _innermost(error: BaseException) -> str:
    """The plainest words that an error of a connection has: those of its first cause."""
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).splitlines()[0][:200]
