"""What starting the runs of a study on this machine says; ``test_studying.py`` holds what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.studies import launch_local
from scripts.studies.grid import PlannedRun


class StubPool:
    """Runs that end at once, the second of them with an error."""

    def __init__(self, study_dir: Path, jobs: int, *_: object) -> None:
        self.study_dir, self.jobs, self.running = study_dir, jobs, {}  # type: ignore[var-annotated]

    def __enter__(self) -> StubPool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, run: PlannedRun) -> None:
        self.running[run.name] = run

    def ended(self, _seconds: float | None) -> list[tuple[PlannedRun, int]]:
        name, run = self.running.popitem()
        return [(run, int(name == "r2"))]


def test_a_log_file_is_told_how_far_the_runs_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch_local, "Pool", StubPool)
    runs: list[Any] = [PlannedRun(f"r{n}", "ce", n, 0, "run", None, ("train.yaml",)) for n in range(1, 5)]
    monkeypatch.setattr(launch_local, "LOG_INTERVAL", 0.0)
    launch_local.run_locally(tmp_path, runs, 1, 1)
    lines = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.strip()]
    assert [line.split("|")[-1].split()[0] for line in lines[:5]] == ["0/4", "1/4", "2/4", "3/4", "4/4"]
    assert "1 failed" in lines[2]
    monkeypatch.setattr(launch_local, "LOG_INTERVAL", 600.0)
    launch_local.run_locally(tmp_path, runs, 1, 1)
    lines = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.strip()]
    assert len(lines) == 2  # where it begins and where it ends
