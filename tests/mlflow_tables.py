"""MLflow's tables are made once for all tests: its migrations take seconds for every new database."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from scripts.storage.locks import file_lock

VARIABLE = "ADFL_TEST_TABLES"  # names the database to copy from, for processes that tests start


def copy_tables_from(template: Path) -> None:
    """From now on a new SQLite store of this process is a copy of a database, which the first one makes."""
    from mlflow.store.db import utils

    migrate = utils._initialize_tables

    def copy(engine: Any) -> None:
        if engine.dialect.name != "sqlite" or engine.url.database in (None, ":memory:"):
            migrate(engine)
            return
        with file_lock(template.with_suffix(".lock")), contextlib.closing(engine.raw_connection()) as connection:
            if not template.is_file():
                migrate(engine)
                _copy(connection.driver_connection, template)
                return
            with contextlib.closing(sqlite3.connect(template)) as source:
                source.backup(connection.driver_connection)

    utils._initialize_tables = copy
    os.environ[VARIABLE] = str(template)


def _copy(source: sqlite3.Connection, to: Path) -> None:
    draft = to.with_suffix(".draft")
    with contextlib.closing(sqlite3.connect(draft)) as target:
        source.backup(target)
    draft.rename(to)
