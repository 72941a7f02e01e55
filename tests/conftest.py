from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.quicker import (
    VARIABLE,
    do_not_wait_for_the_disk,
    leave_torchs_trace_alone,
    read_configs_once,
    run_of_a_study,
    small_pictures,
)

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # more are processes, which import torch


@pytest.fixture(autouse=True)
def _leave_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workflows run in this process: they find the bundle in the working folder, and set hooks that must not stay."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with warnings.catch_warnings():
        yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _mlflow_tables_are_made_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    if "tests.workflows" in sys.modules:  # else nothing is trained, and MLflow's store need not be imported
        from tests.mlflow_tables import copy_tables_from

        folder = tmp_path_factory.getbasetemp()
        folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder  # one for all workers
        copy_tables_from(folder / "mlflow_tables.db")


@pytest.fixture(scope="session", autouse=True)
def _trainings_are_quick() -> None:
    if "tests.workflows" in sys.modules:
        read_configs_once()
        do_not_wait_for_the_disk()
    leave_torchs_trace_alone()


@pytest.fixture(scope="module", autouse=True)
def _no_process_outlives_its_file() -> Iterator[None]:
    yield
    if "tests.processes" in sys.modules:
        sys.modules["tests.processes"].kill_what_is_left()


@pytest.fixture(scope="module", autouse=True)
def _pictures_are_small(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where a test file says ``PICTURES = "small"``: in this process and in those that it starts."""
    if getattr(request.module, "PICTURES", None) != "small":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", small_pictures())
        patch.setattr("scripts.studies.launch_local._child", run_of_a_study)
        patch.setenv(VARIABLE, "1")
        yield


# Files that take longest, longest first: two workers deal files out as they come, and the last should be short.
LONGEST = [
    "tests/studies/test_slurm.py", "tests/studies/test_studying.py", "tests/runs/test_resume.py",
    "tests/test_workflows.py", "tests/tracking/test_outage.py", "tests/tracking/test_runs_in_mlflow.py",
    "tests/runs/test_faults.py", "tests/training/test_distributed.py", "tests/tracking/test_postgresql.py",
    "tests/training/test_options.py", "tests/test_configs.py", "tests/test_fairness.py",
    "tests/networks/test_every_network.py", "tests/losses/test_in_use.py", "tests/tracking/test_pages.py",
    "tests/test_package.py", "tests/test_from_anywhere.py", "tests/release/test_build.py",
    "tests/runs/test_torture.py", "tests/studies/test_simulations.py", "tests/test_parts_end_to_end.py",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the longest files to the front; the order within a file stays."""
    place = {ROOT / path: number for number, path in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture
def real_data() -> Path:
    folder = Path(os.environ.get("ADFL_REAL_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: ADFL_REAL_DATA names {folder}, which is not a folder")
    return folder
