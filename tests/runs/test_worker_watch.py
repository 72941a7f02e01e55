"""A process ends although a loader's worker was killed, or lets SIGTERM pass."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
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


PLACES = (Events.STARTED, Events.ITERATION_COMPLETED, Events.COMPLETED)
ENDS = list(itertools.product((RuntimeError, KeyboardInterrupt, SystemExit), PLACES, (False, True)))


def break_off() -> None:
    """Runs that end by an error, in a process that goes on and has a child of its own killed afterwards."""
    logging.getLogger("ignite").setLevel(logging.CRITICAL)  # as ``report_user_errors`` does
    for error, place, tracked in ENDS:
        trainer = Engine(lambda _engine, _batch: None)
        WorkerWatch(patience=0.0, interval=0.02).attach(trainer)
        if tracked:  # as the tracker does
            trainer.add_event_handler(Events.EXCEPTION_RAISED, raise_again)
        trainer.add_event_handler(place, raise_it, error("broken off"))
        try:
            trainer.run([0, 1])
        except error as caught:
            print(f"raised: {caught}")
    live_on()


def raise_it(_engine: Engine, error: BaseException) -> None:
    assert "worker watch" in [thread.name for thread in threading.enumerate()]
    raise error


def raise_again(_engine: Engine, error: BaseException) -> None:
    raise error


def live_on() -> None:
    """Have a child killed and don't collect it."""
    worker = start_worker()
    worker.kill()
    os.waitid(os.P_PID, worker.pid or 0, os.WEXITED | os.WNOWAIT)
    time.sleep(0.5)  # 25 looks
    print("watches:", [thread.name for thread in threading.enumerate()].count("worker watch"))
    worker.join()


def test_a_watch_ends_with_its_run_whatever_breaks_that_off(tmp_path: Path) -> None:
    process = start_one(tmp_path / "log", break_off)
    assert end([process]) == [0], (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text().splitlines() == [*["raised: broken off"] * len(ENDS), "watches: 0"]


def stop_early(skip_completed: bool) -> None:
    trainer = Engine(lambda _engine, _batch: None)
    WorkerWatch(patience=0.0, interval=0.02).attach(trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: engine.terminate(skip_completed))
    for _ in range(2):  # a client of federated learning runs its trainer again and again
        trainer.run([0, 1], max_epochs=2)
    live_on()


@pytest.mark.parametrize("skip_completed", [False, True])
def test_a_watch_ends_with_a_run_that_is_stopped_early(tmp_path: Path, skip_completed: bool) -> None:
    process = start_one(tmp_path / "log", stop_early, skip_completed)
    assert end([process]) == [0], (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text() == "watches: 0\n"


def hang() -> None:
    trainer = Engine(lambda _engine, _batch: time.sleep(SECONDS))
    WorkerWatch(patience=0.1, interval=0.02).attach(trainer)
    start_worker().kill()
    trainer.run([0])


def test_a_run_that_goes_on_without_its_killed_worker_is_ended(tmp_path: Path) -> None:
    process = start_one(tmp_path / "log", hang)
    assert end([process]) == [1]
    assert "was killed, and the process can't end by itself" in (tmp_path / "log").read_text()


def test_a_killed_worker_is_known_until_somebody_collects_it() -> None:
    worker = start_worker()
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
