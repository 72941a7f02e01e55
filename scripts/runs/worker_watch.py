"""A loader's worker that is killed ends the training, whatever it held when it died.

Torch tells the process of a dead worker once, by an exception out of its handler of SIGCHLD. Where that is lost, or
where the process waits for the rest of what the worker was sending, the training would wait for good; and so would the
end of the process, for workers that let SIGTERM pass (``start_loader_worker``).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize

from ignite.engine import Engine, Events

from .engine_end import call_at_end

PATIENCE = 30.0  # seconds that the process may take to end by itself
INTERVAL = 1.0  # seconds between two looks


class WorkerWatch:
    """Handler of an engine whose loader has workers: sees to it that the process ends when one of them was killed.

    It tells the main thread again at every look, by SIGCHLD, which torch answers with its exception; a process whose
    run still goes on after ``patience`` is ended with exit code 1 and one line. What the run folder holds is whole at
    any moment: ``--resume true`` goes on from the last checkpoint. The watch ends with the run, however that ends: what
    becomes of children of a notebook or a server afterwards is not its business.

    Args:
        patience: seconds, >= 0.
        interval: seconds between two looks, > 0.
    """

    def __init__(self, patience: float = PATIENCE, interval: float = INTERVAL) -> None:
        self.patience = patience
        self.interval = interval
        self._done = threading.Event()
        self._at_end: Finalize | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer or evaluator, before a handler that raises errors again."""
        engine.add_event_handler(Events.STARTED, self._start)
        call_at_end(engine, self._stop)

    def _start(self, _engine: Engine) -> None:
        self._stop()
        if self._at_end is None:  # not atexit: of the child of a forkserver, multiprocessing alone is asked
            self._at_end = Finalize(None, _kill_workers, exitpriority=100)
        self._done = threading.Event()  # of its own for each run: its thread can't miss it
        threading.Thread(target=self._watch, args=(self._done,), daemon=True, name="worker watch").start()

    def _stop(self) -> None:
        self._done.set()

    def _watch(self, done: threading.Event) -> None:
        dead_since: float | None = None
        killed: int | None = None
        while not done.wait(self.interval):
            # not active_children(), which collects the dead, of whom torch then knows nothing
            killed = _killed_worker(multiprocessing.process._children) or killed  # type: ignore[attr-defined]
            if killed is None:
                continue
            if done.is_set():
                return
            dead_since = dead_since or time.monotonic()
            if time.monotonic() - dead_since > self.patience:
                _end(killed)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGCHLD)


def _killed_worker(children: Iterable[BaseProcess]) -> int | None:
    """Process id of a child that a signal has ended, left for others to collect."""
    for child in tuple(children):
        if child.pid is None or not child.daemon:
            continue
        try:
            found = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            continue  # collected by somebody else, who knows
        if found is not None and found.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
            return child.pid
    return None


def _end(worker: int) -> None:
    sys.stderr.write(
        f"error: loader worker {worker} was killed, and the process can't end by itself; go on with --resume true\n"
    )
    sys.stderr.flush()
    _kill_workers()
    os._exit(1)


def _kill_workers() -> None:
    """End the loader's workers, which have nothing to save, at the end of the process."""
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
