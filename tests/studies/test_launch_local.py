from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from scripts.studies import launch_local


def test_a_run_forks_its_loader_workers_though_it_comes_from_a_forkserver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of a forkserver of the run's own would import everything again: ten seconds per worker."""
    found = []
    monkeypatch.setattr(launch_local.os, "setsid", lambda: None)
    monkeypatch.setattr(launch_local, "do_run", lambda *_: found.append(multiprocessing.get_start_method()) or 0)
    before = multiprocessing.get_start_method()
    try:
        multiprocessing.set_start_method("forkserver", force=True)  # as Python does in a forkserver's child
        with pytest.raises(SystemExit) as info:
            launch_local._child(tmp_path, "run", 1)
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert info.value.code == 0
    assert found == ["fork"]
