"""Shows MLflow's pages of an output folder: one server process, which ends when it is asked to.

    python -m scripts.tracking.pages --output_dir runs --port 5000

``mlflow ui`` starts four workers, a runner of jobs and a process for each of its queues, some of which outlive it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .addresses import sqlite_address
from .database import ARTIFACTS
from .refusals import explain
from .stores import open_client, prepare_client, store_lock
from .views import VIEW_TAG, link, run_view

HOST = "127.0.0.1"


def server_command(database: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """The command line of the server, and what its environment needs beside the present one."""
    address = sqlite_address(database).replace("sqlite:///", "sqlite+pysqlite:///", 1)
    environment = {
        "_MLFLOW_SERVER_FILE_STORE": address,
        "_MLFLOW_SERVER_REGISTRY_STORE": address,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": (database.parent / ARTIFACTS).as_uri(),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": (database.parent / ARTIFACTS).as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",  # of the server's own dependencies
        "_MLFLOW_SGI_NAME": "uvicorn",
    }
    options = ["--host", HOST, "--port", str(port), "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", *options, "mlflow.server.fastapi_app:app"], environment


def main() -> None:
    """Read the command line, set moved artefacts right, and become the server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--port", type=int, default=5000)
    given = parser.parse_args()
    if not 0 < given.port < 65536:
        parser.error(f"argument --port: must be 1 to 65535, got {given.port}")
    database = (given.output_dir / "mlflow.db").resolve()
    if database.exists() and not database.is_file():
        sys.exit(f"error: {database} is no file of a database; rename it, and train or sync")
    if not database.is_file():
        sys.exit(f"error: no run was tracked in {given.output_dir} yet; train first (make train), or give --output_dir")
    prepare_client()
    try:
        with store_lock(sqlite_address(database)):
            experiments = open_client(sqlite_address(database)).search_experiments()
    except Exception as error:
        sys.exit(f"error: {explain(error)}")
    command, environment = server_command(database, given.port)
    base = f"http://{HOST}:{given.port}"
    print(f"{base} shows {given.output_dir}; Ctrl-C ends it")
    for experiment in experiments:
        if run_view()[0] in experiment.tags:
            key = run_view()[0].removeprefix(VIEW_TAG)
            print(f"{experiment.name}: {link(base, experiment.experiment_id, key)}")
    sys.stdout.flush()
    os.execvpe(command[0], command, {**os.environ, **environment})


if __name__ == "__main__":
    main()
