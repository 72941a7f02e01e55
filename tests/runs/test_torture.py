from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.workflows import ROOT


@pytest.mark.slow
def test_trainings_killed_at_random_moments_lose_nothing() -> None:
    line = [sys.executable, "-m", "tests.torture", "--kills", "3", "--seed", "1"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, env=env, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every checkpoint loaded" in done.stdout
    assert "ended with the bytes of one never killed" in done.stdout
