"""Requests to stop, by SIGTERM or SIGINT, that a training answers at the end of its iteration."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from monai.data.utils import worker_init_fn

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: stopped and saved, can be resumed


class Stopped(SystemExit):
    """The training was asked to stop and has saved its state; ends the process with ``EXIT_CODE``."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


class StopRequest:
    """Remembers a SIGTERM (a batch system's time limit) or SIGINT (Ctrl-C) instead of dying of it.

    A second Ctrl-C interrupts at once. Outside the main thread, where Python allows no handlers, nothing is installed.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def listen(self) -> None:
        """Take the two signals over."""
        if threading.current_thread() is threading.main_thread() and not self._previous:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._remember)

    def ignore(self) -> None:
        """Give the two signals back to whoever had them."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def start_loader_worker(worker_id: int) -> None:
    """Set up a loader's worker: MONAI's seeding, and no death by a signal that a batch system sends to all processes.

    The training stops its workers itself when it has saved; a worker whose training is gone ends within seconds.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker_init_fn(worker_id)
