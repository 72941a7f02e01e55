from __future__ import annotations

from pathlib import Path

import pytest

from tests import torture
from tests.processes import end, start_one

PICTURES = "small"  # see tests/quicker.py


@pytest.mark.slow
def test_trainings_killed_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert end([start_one(log, torture.main, ["--kills", "3", "--seed", "1", "--epochs", "8"])]) == [0], log.read_text()
    assert "every checkpoint loaded" in log.read_text()
    assert "ended with the bytes of one never killed" in log.read_text()
