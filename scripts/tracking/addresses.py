"""Addresses of MLflow: which are possible, which was given, and where an SQLite database lies."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..configuration.passwords import redact
from ..configuration.reading import load_config
from ..configuration.workflow import executed_config
from ..errors import UserError

SERVERS = {"http", "https"}
DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}
OTHERS = {"databricks", "databricks-uc", "uc"}
NAME_LENGTH = 250  # of experiments and runs, the most that every database of MLflow takes

_SQLITE = re.compile(r"sqlite(\+\w+)?:///")


def sqlite_file(tracking_uri: str) -> Path | None:
    """The database file of an SQLite address, in which ``%20`` stands for a space; None for a server."""
    if not _SQLITE.match(tracking_uri):
        return None
    return Path(unquote(_SQLITE.sub("", tracking_uri, count=1).split("?")[0])).resolve()


def sqlite_address(path: Path) -> str:
    """The address of an SQLite database file.

    >>> sqlite_address(Path("/100 %/mlflow.db"))
    'sqlite:////100 %25/mlflow.db'
    """
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def absolute(tracking_uri: str) -> str:
    """An address that means the same from every working folder."""
    path = sqlite_file(tracking_uri)
    if path is None:
        return tracking_uri
    query = tracking_uri.partition("?")[2]
    return sqlite_address(path) + (f"?{query}" if query else "")


def given_address(tracking_uri: str | None) -> str | None:
    """The address that somebody gave, by an override, a file or MLFLOW_TRACKING_URI.

    None for the default of ``train.yaml``, which says nothing about where an earlier run has gone.
    """
    typed = executed_config().get("tracking_uri")
    if typed is None or os.environ.get("MLFLOW_TRACKING_URI"):
        return tracking_uri
    default = load_config()["tracking_uri"]
    return None if typed == default else tracking_uri


def check_tracking(tracking_uri: str, experiment_name: str, patience: float) -> None:
    """Refuse an address that can never be MLflow's, a name that it can't take and a time that can't be waited.

    Args:
        tracking_uri: address of a server or database.
        experiment_name: 1 to 250 characters.
        patience: seconds to wait for MLflow at the end of a training, >= 0.

    Raises:
        UserError: names the key and what to give.
    """
    shown, remedy = redact(str(tracking_uri)), "give http://HOST:PORT or sqlite:////PATH/mlflow.db"
    scheme = str(tracking_uri).partition("://")[0].partition("+")[0].lower()
    if tracking_uri not in OTHERS and "://" not in str(tracking_uri):
        raise UserError(f"tracking_uri '{shown}' is no address of MLflow, whose stores are not folders; {remedy}")
    if scheme not in SERVERS | DATABASES | OTHERS and not _is_plugin(scheme):
        raise UserError(f"tracking_uri '{shown}' is no address of MLflow: it knows no {scheme}://; {remedy}")
    if scheme in SERVERS and not _has_host(tracking_uri):
        raise UserError(f"tracking_uri '{shown}' names no host, or no port below 65536; {remedy}")
    if scheme == "sqlite":
        _check_sqlite(tracking_uri, shown, remedy)
    if not isinstance(experiment_name, str) or not 1 <= len(experiment_name.strip()) <= NAME_LENGTH:
        raise UserError(f"experiment_name must be text of 1 to {NAME_LENGTH} characters, got {experiment_name!r}")
    if isinstance(patience, bool) or not isinstance(patience, int | float) or not 0 <= patience < float("inf"):
        raise UserError(f"tracking_patience must be a number of seconds >= 0, got {patience!r}")


def _check_sqlite(tracking_uri: str, shown: str, remedy: str) -> None:
    path = sqlite_file(tracking_uri)
    if path is None or not tracking_uri.partition(":///")[2]:
        raise UserError(f"tracking_uri '{shown}' names no database file; {remedy}")
    if "?" in tracking_uri and not re.search(r"\?\w+=[^/]*$", tracking_uri):
        raise UserError(
            f"tracking_uri '{shown}' has a '?' in its path, behind which SQLite addresses have options; write it as %3F"
        )
    if path.is_dir():
        raise UserError(f"tracking_uri '{shown}' is a folder; {remedy}")


def _has_host(tracking_uri: str) -> bool:
    try:
        parts = urlsplit(tracking_uri)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _is_plugin(scheme: str) -> bool:
    """Whether an installed plugin of MLflow's serves a scheme; importing MLflow takes seconds, so it is asked last."""
    from importlib.metadata import entry_points

    return scheme in {point.name for point in entry_points(group="mlflow.tracking_store")}
