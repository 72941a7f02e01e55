"""What tells MLflow's stores apart: a database file that several processes share, or a server that may be away."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from ..storage.locks import file_lock

SQLITE = "sqlite:///"
ANSWER_WITHIN = 2.0  # seconds


def sqlite_file(tracking_uri: str) -> Path | None:
    """The database file of an SQLite address, None for a server."""
    if not tracking_uri.startswith(SQLITE):
        return None
    return Path(tracking_uri.removeprefix(SQLITE)).resolve()


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
    """Ask a server for a sign of life, since MLflow's own client waits for minutes on one that hangs.

    Raises:
        ConnectionError: it does not answer within seconds.
    """
    if not tracking_uri.startswith(("http://", "https://")):
        return
    try:
        with urllib.request.urlopen(f"{tracking_uri.rstrip('/')}/health", timeout=ANSWER_WITHIN):
            pass
    except urllib.error.HTTPError as error:  # it answers, if only to refuse
        error.close()
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ConnectionError(f"{tracking_uri} does not answer: {reason}") from error
