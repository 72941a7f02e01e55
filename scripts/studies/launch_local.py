"""Runs of a study on this machine, n at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm import tqdm

from ..configuration.reading import BASE_CONFIG
from ..runs.signals import EXIT_CODE, Stopped
from .grid import PlannedRun
from .run_one import do_run
from .run_record import BUSY, write_plan
from .status import read_status

PRELOADED = ["scripts.studies.preload"]
Child = Callable[[Path, str, int], None]
LOG_INTERVAL = 60.0  # seconds between two lines of progress in a log file, which needs no movement
POLL = 2.0  # seconds between looks at runs that other processes have


def run_locally(
    study_dir: Path, runs: Sequence[PlannedRun], jobs: int, threads: int | None, child: Child | None = None
) -> None:
    """Do what is missing of some runs, and return when all are done or failed.

    Each run is a process of its own, forked from one that has imported what every run needs. Runs that another starter
    has are waited for, and taken over if it ends without them. A failed run stops no other; runs that failed at an
    earlier start are tried again.

    Args:
        study_dir: folder of the study.
        runs: what to do, in this order.
        jobs: runs at a time.
        threads: of each run; None: the cores that this process may use, divided by jobs.
        child: what the process of a run does with the study's folder, the run's name and its threads, and ends with the
            exit codes of ``run_one``; by default a run of this bundle.

    Raises:
        Stopped: SIGINT or SIGTERM came; every run has saved its state.
    """
    write_plan(study_dir, list(runs))
    states = read_status(study_dir, runs)
    waiting = deque(status.run for status in states if status.state != "done")
    if not waiting:
        return
    done = len(runs) - len(waiting)
    with (
        Pool(study_dir, jobs, threads or max(1, len(os.sched_getaffinity(0)) // jobs), child) as pool,
        _stop_on_signals(),
        tqdm(
            total=len(runs),
            initial=done,
            desc="runs",
            unit="run",
            mininterval=0.1 if sys.stderr.isatty() else LOG_INTERVAL,
        ) as bar,
    ):
        try:
            _work(pool, waiting, bar)
        except (KeyboardInterrupt, Stopped):
            bar.write(f"stopping; runs that save their state: {len(pool.running)}; the same command goes on with them")
            pool.stop()
            raise Stopped from None


def _work(pool: Pool, waiting: deque[PlannedRun], bar: Any) -> None:
    elsewhere: deque[PlannedRun] = deque()
    failed = 0
    while waiting or pool.running or elsewhere:
        while waiting and len(pool.running) < pool.jobs:
            pool.start(waiting.popleft())
        for run, code in pool.ended(POLL if elsewhere else None):
            if code == BUSY:
                elsewhere.append(run)
                continue
            failed += code not in (0, EXIT_CODE)
            bar.set_postfix_str(f"{failed} failed" if failed else "", refresh=False)
            bar.update()
        for _ in range(len(elsewhere)):
            run = elsewhere.popleft()
            state = read_status(pool.study_dir, [run])[0].state
            if state == "running":
                elsewhere.append(run)
            elif state in ("done", "failed"):
                bar.update()
            else:
                waiting.append(run)


class Pool:
    """Processes of runs, forked from one that has imported everything."""

    def __init__(self, study_dir: Path, jobs: int, threads: int, child: Child | None = None) -> None:
        self.study_dir = study_dir
        self.jobs = jobs
        self.threads = threads
        self.child = child or _child
        self.running: dict[BaseProcess, PlannedRun] = {}
        self._context = multiprocessing.get_context("forkserver")

    def __enter__(self) -> Pool:
        root = str(BASE_CONFIG.parents[1])
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        os.environ.setdefault("OMP_NUM_THREADS", str(self.threads))
        self._context.set_forkserver_preload(PRELOADED)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, run: PlannedRun) -> None:
        """Start a run."""
        process = self._context.Process(target=self.child, args=(self.study_dir, run.name, self.threads), name=run.name)
        process.start()
        self.running[process] = run

    def ended(self, timeout: float | None) -> Iterator[tuple[PlannedRun, int]]:
        """Wait until a run ends, or for some seconds; the runs that have ended and their exit codes."""
        if not self.running:
            time.sleep(timeout or 0.0)
            return
        wait([process.sentinel for process in self.running], timeout)
        for process in [process for process in self.running if not process.is_alive()]:
            process.join()
            run = self.running.pop(process)
            yield run, int(process.exitcode or 0)

    def stop(self) -> None:
        """Ask every run to save its state and to end, and wait for that."""
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.join()
        self.running.clear()


def _child(study_dir: Path, name: str, threads: int) -> None:
    """What the process of a run does."""
    os.setsid()  # Ctrl-C at the terminal reaches the starter alone, which then asks the runs to stop
    # Loader workers are forked from the run, as in a training by itself: a child of a forkserver would start another
    # one, which imports everything again.
    multiprocessing.set_start_method("fork", force=True)
    sys.exit(do_run(study_dir, name, threads))


@contextmanager
def _stop_on_signals() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stopped

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
