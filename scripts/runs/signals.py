"""Requests to stop, by SIGTERM or SIGINT, that a training answers at the end of its iteration."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

from monai.data.utils import worker_init_fn

logger = logging.getLogger(__name__)

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: stopped and saved, can be resumed


class Stopped(SystemExit):
    """The process was asked to stop and has nothing more to save; it ends with ``EXIT_CODE``."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


def stop_while_preparing() -> None:
    """Let SIGTERM and SIGINT end the process with ``EXIT_CODE`` until a training takes them over.

    Nothing is lost then: preparing is done again, or found whole, by the same command. Other handlers than Python's own
    stay; outside the main thread, where Python allows no handlers, nothing is installed.
    """
    if threading.current_thread() is threading.main_thread():
        for number, default in ((signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
            if signal.getsignal(number) == default:
                signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would break off what is cleaned up
    name = signal.Signals(number).name
    logger.warning("%s: stopped before the training began, or after its end; start the same command again", name)
    raise Stopped


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
