from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import Any

import pytest

from scripts.runs.lock import is_free, lock_run, unlock_run


def test_a_folder_is_free_until_it_is_taken_and_after_it_is_given_back(tmp_path: Path) -> None:
    assert is_free(tmp_path)
    lock_run(tmp_path)
    assert not is_free(tmp_path)
    unlock_run(tmp_path)
    assert is_free(tmp_path)


def test_where_the_file_system_has_no_locks_a_run_starts_and_none_is_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    lock_run(tmp_path)
    assert not is_free(tmp_path)
