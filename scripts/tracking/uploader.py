"""A thread that keeps MLflow up to date and can neither stall nor end the training."""

from __future__ import annotations

import logging
import os
import threading

from scripts.tracking.mirror import MlflowMirror

logger = logging.getLogger(__name__)

# MLflow's own patience (7 retries of 120 s) would hold a call for minutes; here a failed call is simply made again
# later.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


class Uploader(threading.Thread):
    """Pushes a mirror when woken and once a minute; failures are told once and tried again.

    Args:
        mirror: the mirror to push; used by this thread alone once it runs.
        interval: seconds between two pushes when nobody wakes it.
    """

    def __init__(self, mirror: MlflowMirror, interval: float = 60.0) -> None:
        super().__init__(name="mlflow-uploader", daemon=True)
        self.mirror = mirror
        self.interval = interval
        self._wake = threading.Event()
        self._end: str | None = None
        self._told = False
        for name, value in {**PATIENCE, "MLFLOW_DISABLE_TELEMETRY": "true"}.items():
            os.environ.setdefault(name, value)

    def wake(self) -> None:
        """Ask for a push soon."""
        self._wake.set()

    def close(self, status: str, timeout: float = 60.0) -> bool:
        """Tell MLflow how the run ended and stop; returns whether MLflow has everything.

        Args:
            status: "FINISHED", "FAILED" or "KILLED".
            timeout: seconds to wait for a push that is under way.
        """
        self._end = status
        self._wake.set()
        if self.is_alive():
            self.join(timeout)
        return not self.is_alive() and not self.mirror.pending

    def run(self) -> None:
        """Push until closed."""
        while True:
            self._wake.wait(self.interval)
            self._wake.clear()
            end = self._end
            if end is not None:
                self.mirror.finish(end)
            self._push()
            if end is not None:
                return

    def _push(self) -> None:
        try:
            self.mirror.push()
        except Exception as error:
            if not self._told:
                logger.warning(
                    "MLflow can't be reached (%s); the run goes on, its metrics wait on disk", _first_line(error)
                )
            self._told = True
        else:
            if self._told:
                logger.warning("MLflow is back; the waiting metrics are brought over")
            self._told = False


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
