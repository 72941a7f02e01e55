"""A user without a home; tests/test_from_anywhere.py runs the bundle for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.storage.home import provide_home


def test_a_home_that_is_there_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    provide_home()
    assert os.environ["HOME"] == str(tmp_path)
