"""A user without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.storage.home import provide_home
from tests.workflows import ROOT

PROGRAM = """
import os, pwd
from pathlib import Path
del os.environ["HOME"]
pwd.getpwuid = lambda uid: {}[uid]
import monai.bundle
from scripts.tracking.stores import prepare_client
prepare_client()
import mlflow
assert mlflow.MlflowClient
print(Path.home())
"""


def test_a_home_that_is_there_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    provide_home()
    assert os.environ["HOME"] == str(tmp_path)


def test_mlflow_works_for_a_user_without_a_home_and_nothing_is_left(tmp_path: Path) -> None:
    env = {**os.environ, "LOGNAME": "u", "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    home = Path(done.stdout.split()[-1])
    assert home.parent == tmp_path
    assert not home.exists()
