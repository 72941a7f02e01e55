"""What is read from the runs of a study belongs together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import UserError
from scripts.studies import launch_local
from scripts.studies.collect import split_hashes
from scripts.studies.grid import PlannedRun


def run_on(folder: Path, condition: str, split: str, data: str, repeat: int = 1, **overrides: Any) -> PlannedRun:
    """A planned run whose folder holds a split."""
    run = PlannedRun(f"{condition}-r{repeat}", condition, repeat, 0, "run", None, ("train.yaml",), overrides)
    (folder / run.name).mkdir()
    (folder / run.name / "split.json").write_text(json.dumps({"sha256": split, "fingerprint": data}))
    return run


def test_runs_of_equal_split_and_data_are_collected(tmp_path: Path) -> None:
    runs = [run_on(tmp_path, "ce", "s", "d"), run_on(tmp_path, "dfl", "s", "d", learning_rate=0.1)]
    runs += [run_on(tmp_path, "ce", "t", "d", repeat=2), run_on(tmp_path, "small", "s", "other", image_size=64)]
    assert split_hashes(tmp_path, runs) == {"repeat 1 fold 0": "s", "repeat 2 fold 0": "t"}


def test_runs_of_another_split_or_other_data_are_not_compared(tmp_path: Path) -> None:
    first = run_on(tmp_path, "ce", "s", "d")
    with pytest.raises(UserError, match="runs ce-r1 and dfl-r1 in .* had another split of the cases"):
        split_hashes(tmp_path, [first, run_on(tmp_path, "dfl", "t", "d")])
    with pytest.raises(UserError, match="runs ce-r1 and fl-r1 in .* had other data"):
        split_hashes(tmp_path, [first, run_on(tmp_path, "fl", "s", "e")])


def test_jobs_share_the_cores_that_the_process_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ThreadsError(Exception):
        pass

    def pool(_study_dir: Path, _jobs: int, threads: int, *_: object) -> None:
        raise ThreadsError(threads)

    monkeypatch.setattr(launch_local.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(launch_local.os, "sched_getaffinity", lambda _process: {0, 3, 5, 7})
    monkeypatch.setattr(launch_local, "Pool", pool)
    run = PlannedRun("r", "ce", 1, 0, "run", None, ("train.yaml",))
    with pytest.raises(ThreadsError, match="^2$"):
        launch_local.run_locally(tmp_path, [run], 2, None)
