"""A process ends although a loader's worker was killed, or lets SIGTERM pass."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from scripts.runs import worker_watch
from scripts.runs.worker_watch import WorkerWatch
from tests.processes import SECONDS, end, start_one


def work() -> None:
    """A loader's worker (``start_loader_worker``) whose training does not tell it to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(10 * SECONDS)


def start_worker() -> BaseProcess:
    worker = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    worker.start()
    return worker


def train_and_fail(_log: Path) -> None:
    trainer = Engine(lambda _engine, _batch: None)
    WorkerWatch().attach(trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, fail)
    trainer.run([0])


def fail(*_: Any) -> None:
    start_worker()
    time.sleep(0.2)  # the worker refuses SIGTERM from here on
    raise RuntimeError("the first step failed")


def test_a_child_process_that_fails_ends_its_deaf_workers(tmp_path: Path) -> None:
    process = start_one(tmp_path / "log", train_and_fail, tmp_path / "log")
    assert end([process]) == [1]
    assert "the first step failed" in (tmp_path / "log").read_text()


def test_a_killed_worker_is_known_until_somebody_collects_it() -> None:
    worker = start_worker()
    multiprocessing.process._children.discard(worker)  # from a watch that another test has left
    try:
        assert worker_watch._killed_worker({worker}) is None
    finally:
        worker.kill()
    os.waitid(os.P_PID, worker.pid or 0, os.WEXITED | os.WNOWAIT)
    assert worker_watch._killed_worker({worker}) == worker.pid
    worker.join()
    assert worker_watch._killed_worker({worker}) is None


def test_a_worker_that_ends_by_itself_was_not_killed() -> None:
    worker = multiprocessing.get_context("fork").Process(target=signal.getsignal, args=(signal.SIGTERM,), daemon=True)
    worker.start()
    worker.join()
    assert worker_watch._killed_worker({worker}) is None
