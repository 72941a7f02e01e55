"""A thread that keeps MLflow up to date and can neither stall nor end the training."""

from __future__ import annotations

import logging
import threading
import time

from .mirror import MlflowMirror
from .sync import sync_others

logger = logging.getLogger(__name__)


class Uploader(threading.Thread):
    """Pushes a mirror when woken and once a minute; failures are told once and tried again.

    When MLflow answers for the first time it also brings over what earlier runs beside this one left.

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
        self._failing = False
        self._others_done = False

    def wake(self) -> None:
        """Ask for a push soon."""
        self._wake.set()

    def close(self, status: str, patience: float = 30.0) -> bool:
        """Tell MLflow how the run ended and stop; returns whether MLflow has everything.

        Args:
            status: "FINISHED", "FAILED" or "KILLED".
            patience: seconds to wait without MLflow answering anything.
        """
        self._end = status
        self._wake.set()
        calls, since = self.mirror.calls, time.monotonic()
        while self.is_alive() and time.monotonic() - since < patience:
            self.join(0.05)
            if self.mirror.calls != calls:
                calls, since = self.mirror.calls, time.monotonic()
        return not self.is_alive() and not self.mirror.pending

    def run(self) -> None:
        """Push until closed."""
        while True:
            self._wake.wait(self.interval)
            self._wake.clear()
            end = self._end
            self._push(end)
            if end is not None:
                return

    def _push(self, end: str | None) -> None:
        try:
            if end is not None:
                self.mirror.finish(end)
            self.mirror.push()
            if not self._others_done and end is None:
                self._others_done = True
                sync_others(self.mirror.run_dir)
        except Exception as error:
            if not self._failing:
                logger.warning("MLflow can't be reached (%s); the run goes on, its metrics wait on disk", _brief(error))
            self._failing = True
        else:
            if self._failing:
                logger.warning("MLflow is back; it has all that waited")
            self._failing = False


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
