"""A thread that keeps MLflow up to date and can neither stall nor end the training."""

from __future__ import annotations

import logging
import threading
import time

from .mirror import MlflowMirror
from .refusals import explain
from .sync import sync_others

logger = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds without an answer
TURNS = 10  # times the patience that a whole end may take, waiting for other processes included
STOPPED = 10.0  # seconds for a process that was asked to stop: whoever asked will soon kill it


class Uploader(threading.Thread):
    """Pushes a mirror when woken and once a minute; failures are told once and tried again.

    When MLflow answers for the first time it also brings over what earlier runs beside this one left.

    Args:
        mirror: the mirror to push; used by this thread alone once it runs.
        interval: seconds between two pushes when nobody wakes it.
        patience: seconds at the end without MLflow answering anything, after which the rest is left on disk.
    """

    def __init__(self, mirror: MlflowMirror, interval: float = 60.0, patience: float = PATIENCE) -> None:
        super().__init__(name="mlflow-uploader", daemon=True)
        self.mirror = mirror
        self.interval = interval
        self.patience = patience
        self._wake = threading.Event()
        self._ending = False
        self._told: str | None = None
        self._others_done = False

    def wake(self) -> None:
        """Ask for a push soon."""
        self._wake.set()

    def close(self, status: str) -> bool:
        """Record how the run ended, tell MLflow and stop; returns whether MLflow has everything.

        The status is on disk before anything is waited for. Waiting for other processes to leave a database is no
        silence of MLflow's; in all the end takes at most 10 times the patience, and 10 s where the run was "KILLED".

        Args:
            status: "FINISHED", "FAILED" or "KILLED".
        """
        self.mirror.finish(status)
        self._ending = True
        self._wake.set()
        began = heard = time.monotonic()
        calls = self.mirror.calls
        silence, longest = self.patience, TURNS * self.patience
        if status == "KILLED":
            silence, longest = min(silence, STOPPED), min(longest, STOPPED)
        while self.is_alive() and time.monotonic() - heard < silence and time.monotonic() - began < longest:
            self.join(0.05)
            if self.mirror.calls != calls or self.mirror.waiting:
                calls, heard = self.mirror.calls, time.monotonic()
        return not self.is_alive() and not self.mirror.pending

    def run(self) -> None:
        """Push until closed."""
        while True:
            self._wake.wait(self.interval)
            self._wake.clear()
            ending = self._ending
            self._push(ending)
            if ending:
                return

    def _push(self, ending: bool) -> None:
        try:
            self.mirror.push()
            if not self._others_done and not ending:
                self._others_done = True
                sync_others(self.mirror.run_dir)
        except Exception as error:
            told = explain(error)
            if self._told is None or told[:25] != self._told[:25]:  # another kind of trouble, not another port or time
                logger.warning("%s; the run goes on, its metrics wait on disk", told)
            self._told = told
        else:
            if self._told is not None:
                logger.warning("MLflow is back; it has all that waited")
            self._told = None
