from __future__ import annotations

import errno
import fcntl
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.runs.lock import holder, is_free, lock_run, unlock_run
from tests.processes import SECONDS, start_one, wait_for


def test_a_folder_is_free_until_it_is_taken_and_after_it_is_given_back(tmp_path: Path) -> None:
    assert is_free(tmp_path)
    lock_run(tmp_path)
    assert not is_free(tmp_path)
    unlock_run(tmp_path)
    assert is_free(tmp_path)


def hold(folder: Path) -> None:
    lock_run(folder)
    print("held")
    time.sleep(SECONDS)


def test_who_holds_a_folder_is_told_without_taking_it(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert not list(tmp_path.iterdir())
    log = tmp_path / "log"
    process = start_one(log, hold, tmp_path)
    wait_for(lambda: log.read_text() == "held\n", process, log)
    assert f"process {process.pid}" in str(holder(tmp_path))
    process.kill()
    process.join()
    assert holder(tmp_path) is None
    lock_run(tmp_path)
    assert holder(tmp_path) == "this process"
    assert not is_free(tmp_path)
    unlock_run(tmp_path)


def test_where_the_file_system_has_no_locks_a_run_starts_and_none_is_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    lock_run(tmp_path)
    assert not is_free(tmp_path)
