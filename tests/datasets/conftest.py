from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    folder = Path(os.environ.get("ADFL_REAL_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: ADFL_REAL_DATA names {folder}, which is not a folder")
    return folder
