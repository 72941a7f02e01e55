"""``make ui`` is one process that shows the pages and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import mlflow
import pytest

from scripts.tracking.addresses import sqlite_address
from scripts.tracking.pages import main
from tests.ports import free_ports
from tests.waiting import SECONDS, wait_until
from tests.workflows import ROOT


def start(output_dir: Path, port: int) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "scripts.tracking.pages", "--output_dir", str(output_dir), "--port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(line, cwd=ROOT, env=environment, start_new_session=True, **pipes)  # type: ignore[call-overload,no-any-return]


def processes_of(session: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def get(address: str, process: subprocess.Popen[str]) -> bytes:
    """What an address answers, once it does; fails with what the process said if that ends."""
    found: list[bytes] = []
    failures: list[OSError] = []

    def answers() -> bool:
        if process.poll() is not None and process.stdout is not None:
            raise AssertionError(f"the server ended with {process.returncode}: {process.stdout.read()}")
        try:
            with urllib.request.urlopen(address, timeout=SECONDS) as answer:
                found.append(bytes(answer.read()))
        except OSError as error:
            failures[:] = [error]
        return bool(found)

    wait_until(answers, lambda: f"{address}: {failures}")
    return found[0]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc, from which processes are counted")
@pytest.mark.slow
def test_one_process_shows_the_pages_and_ends_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20#ü"
    folder.mkdir()
    mlflow.MlflowClient(sqlite_address(folder / "mlflow.db")).create_experiment("shown")
    port = free_ports()
    process = start(folder, port)
    try:
        assert get(f"http://127.0.0.1:{port}/health", process) == b"OK"
        assert b"<html" in get(f"http://127.0.0.1:{port}/", process)
        path = "api/2.0/mlflow/experiments/get-by-name?experiment_name=shown"
        assert b'"lifecycle_stage": "active"' in get(f"http://127.0.0.1:{port}/{path}", process)
        assert processes_of(process.pid) == [process.pid]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=240)
    assert processes_of(process.pid) == []


def test_no_run_yet_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pages", "--output_dir", str(tmp_path)])
    with pytest.raises(SystemExit, match=f"^error: no run was tracked in {tmp_path} yet; train first"):
        main()
