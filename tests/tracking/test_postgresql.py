"""MLflow on a server with PostgreSQL, as for trainings on several machines."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from scripts.tracking import Journal, MlflowMirror
from scripts.tracking.uploader import Uploader
from tests.ports import free_ports
from tests.tracking.servers import Server
from tests.waiting import wait_until

MISSING = [name for name in ("initdb", "postgres") if shutil.which(name) is None]
MISSING += [name for name in ("psycopg",) if importlib.util.find_spec(name) is None]
USER = "postgres"  # PostgreSQL does not run as root

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a cluster of the test's own, in a temporary folder."""
    owner = {"user": USER, "group": USER} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp())
    if owner:
        shutil.chown(folder, USER, USER)
    port = free_ports()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": "/"}
    init = ["initdb", "-D", str(folder / "cluster"), "-U", USER, "-A", "trust", "--no-sync"]
    subprocess.run(init, check=True, **quiet, **owner)  # type: ignore[call-overload]
    line = ["postgres", "-D", str(folder / "cluster"), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
    process = subprocess.Popen(line, **quiet, **owner)  # type: ignore[call-overload]
    try:
        _wait_until_up(port)
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _wait_until_up(port: int) -> None:
    import psycopg  # type: ignore[import-not-found,unused-ignore]

    said: list[str] = []

    def is_up() -> bool:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user=USER, dbname="postgres").close()
        except psycopg.OperationalError as error:
            said[:] = [str(error)]
            return False
        return True

    wait_until(is_up, lambda: said)


def test_trainings_write_together_and_nothing_is_lost_in_a_restart(database: str, tmp_path: Path) -> None:
    server = Server(tmp_path, store=database)
    server.start()
    try:
        runs = []
        for index in range(4):
            run_dir = tmp_path / f"run{index}"
            run_dir.mkdir()
            words = {"tracking_uri": server.uri, "experiment_name": "pg", "run_name": run_dir.name}
            uploader = Uploader(MlflowMirror(run_dir, {**words, "params": {}, "tags": {}}), interval=0.2, patience=120)
            uploader.start()
            runs.append((Journal(run_dir), uploader))
        for step in range(50):
            for journal, uploader in runs:
                journal.log_metrics({"train/loss": step / 3}, step)
                uploader.wake()
            time.sleep(0.01)
            if step == 25:
                server.stop()
        server.start()
        for journal, uploader in runs:
            journal.close()
            assert uploader.close("FINISHED")
        client = mlflow.MlflowClient(server.uri)
        for _, uploader in runs:
            run_id = json.loads((uploader.mirror.run_dir / "tracking.json").read_text())["run_id"]
            points = [(p.step, p.value) for p in client.get_metric_history(run_id, "train/loss")]
            assert sorted(points) == [(step, step / 3) for step in range(50)]
            assert client.get_run(run_id).info.status == "FINISHED"
    finally:
        server.stop()
