"""Processes of a test's own: one that works alone, or several that share a training as torchrun would start them.

They are forked from one that has imported what a run needs, since imports take most of the time of so small a training.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from tests.mlflow_tables import VARIABLE, copy_tables_from
from tests.ports import free_ports
from tests.quicker import be_quicker
from tests.waiting import SECONDS
from tests.workflows import ROOT

_started: list[BaseProcess] = []


def start(count: int, log: Path, function: Callable[..., Any], *args: Any) -> list[BaseProcess]:
    """Start processes that share a training and call a function each; their output goes to ``<log>.<number>``."""
    port = free_ports()
    found = []
    for rank in range(count):
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        environment = {name: str(n) for name, n in {**numbers, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items()}
        found.append(start_one(Path(f"{log}.{rank}"), function, *args, environment=environment))
    return found


def start_one(
    log: Path, function: Callable[..., Any], *args: Any, environment: dict[str, str] | None = None
) -> BaseProcess:
    """Start a process that calls a function; what it says goes to a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scripts.studies.preload", "tests.processes"])
    log.touch()
    process = context.Process(target=_call, args=({**os.environ, **(environment or {})}, log, function, args))
    process.start()
    _started.append(process)
    return process


def kill_what_is_left() -> None:
    """Kill the processes of tests that failed before they ended them: pytest would wait for them at its own end."""
    for process in _started:
        if process.is_alive():
            process.kill()
            process.join()
    _started.clear()


def start_command(log: Path, run_id: str, *files: str, **overrides: Any) -> BaseProcess:
    """Start ``python -m monai.bundle run`` with config files, without the time that its imports take."""
    return start_one(log, run_bundle, run_id, files, overrides)


def run_bundle(run_id: str, files: tuple[str, ...], overrides: dict[str, Any]) -> None:
    """What the command line calls, from the bundle's root."""
    import monai.bundle

    monai.bundle.run(run_id=run_id, config_file=[f"configs/{name}" for name in files], **overrides)


def run_command_line(words: Sequence[str]) -> None:
    """Do what ``python -m monai.bundle`` does with these words of the command line."""
    sys.argv = ["monai.bundle", *words]
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)


def end(processes: list[BaseProcess]) -> list[int | None]:
    """Wait for the end of all; returns their exit codes, and leaves none behind."""
    for process in processes:
        process.join(SECONDS)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def send(process: BaseProcess, number: signal.Signals) -> None:
    """Send a signal to a process."""
    assert process.pid is not None
    os.kill(process.pid, number)


def wait_for(condition: Callable[[], object], process: BaseProcess, log: Path) -> None:
    """Wait until a process has done something; it fails with what the process said if that ends or takes too long."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if not process.is_alive() or time.monotonic() > deadline:
            raise AssertionError(f"it did not happen; exit code {process.exitcode}, and it said:\n{log.read_text()}")
        time.sleep(0.02)


def said(log: Path, rank: int) -> list[str]:
    """The lines of a process's output that tell an error or its cause."""
    lines = [line.removeprefix(f"[rank{rank}]: ") for line in Path(f"{log}.{rank}").read_text().splitlines()]
    return [line for line in lines if line.startswith(("error:", "Traceback"))]


def renew_thread_pool() -> None:
    """Make torch's pool of threads again in a forked process, while it has one thread: two at once trip each other."""
    torch.set_num_threads(torch.get_num_threads())


def _call(environment: dict[str, str], log: Path, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.set_start_method("fork", force=True)  # for loader workers: a forkserver's child starts another one
    os.chdir(ROOT)
    renew_thread_pool()
    if os.environ.get(VARIABLE):
        copy_tables_from(Path(os.environ[VARIABLE]))
    be_quicker()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    try:
        function(*args)
    except SystemExit:
        raise
    except BaseException as error:  # as the interpreter does at the end of a script
        sys.excepthook(type(error), error, error.__traceback__)
        if sys.excepthook is sys.__excepthook__:
            traceback.print_exc()
        sys.exit(1)
