"""Real MLflow servers and databases on the loopback address, started and stopped by the tests."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.ports import free_ports
from tests.processes import SECONDS, start_one


def serve(store: str, folder: Path, port: int) -> None:
    """Be what ``mlflow server`` starts: its application, with the artefacts of its runs below a folder."""
    os.setsid()
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    import uvicorn

    uvicorn.run("mlflow.server.fastapi_app:app", host="127.0.0.1", port=port, log_level="warning")


class Server:
    """An MLflow server with its database in a folder; can be stopped and started again on the same port."""

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.folder = folder
        self.port = free_ports()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.store = store or f"sqlite:///{folder / 'server.db'}"
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """Start the server and wait until it answers; nothing where it runs already."""
        if self._process is not None:
            return
        self._process = start_one(self.folder / "server.log", serve, self.store, self.folder, self.port)
        self._wait_until_up()

    def stop(self) -> None:
        """Kill the server at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def hang(self) -> None:
        """Let it accept connections and answer none."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self._process is not None and self._process.is_alive():
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self.folder / "server.log").read_text()[-3000:])
