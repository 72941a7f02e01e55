from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from scripts.tracking.stores import file_lock, require_answer, sqlite_file


def test_a_lock_is_given_back_although_a_forked_process_has_its_file_open(tmp_path: Path) -> None:
    with file_lock(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        began = time.monotonic()
        with file_lock(tmp_path / "lock"):
            assert time.monotonic() - began < 5
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_an_sqlite_address_names_its_file() -> None:
    assert sqlite_file("sqlite:////data/x.db") == Path("/data/x.db")
    assert sqlite_file("http://127.0.0.1:5000") is None


def test_nobody_there_is_a_connection_error() -> None:
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9 does not answer"):
        require_answer("http://127.0.0.1:9")
