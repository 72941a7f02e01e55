from __future__ import annotations

from pathlib import Path

import pytest

from scripts.tracking.stores import require_answer, sqlite_file


def test_an_sqlite_address_names_its_file() -> None:
    assert sqlite_file("sqlite:////data/x.db") == Path("/data/x.db")
    assert sqlite_file("http://127.0.0.1:5000") is None


def test_nobody_there_is_a_connection_error() -> None:
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9 does not answer"):
        require_answer("http://127.0.0.1:9")
