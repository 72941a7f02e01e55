"""Several processes on this machine that share a training, as torchrun would start them, without its agent.

They are forked from one that has imported what a run needs, since imports take most of the time of so small a training.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.workflows import ROOT

SECONDS = 240  # that processes may take before a test gives them up


def start(count: int, log: Path, function: Callable[..., Any], *args: Any) -> list[BaseProcess]:
    """Start processes that call a function each; what they say on stderr goes to ``<log>.<number>``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scripts.studies.preload", "tests.processes"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = []
    for rank in range(count):
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        environment = {name: str(n) for name, n in {**numbers, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items()}
        process = context.Process(target=_call, args=(environment, f"{log}.{rank}", function, args))
        process.start()
        found.append(process)
    return found


def end(processes: list[BaseProcess]) -> list[int | None]:
    """Wait for the end of all; returns their exit codes, and leaves none behind."""
    for process in processes:
        process.join(SECONDS)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def said(log: Path, rank: int) -> list[str]:
    """The lines of a process's stderr that tell an error or its cause."""
    lines = [line.removeprefix(f"[rank{rank}]: ") for line in Path(f"{log}.{rank}").read_text().splitlines()]
    return [line for line in lines if line.startswith(("error:", "Traceback"))]


def _call(environment: dict[str, str], log: str, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    os.chdir(ROOT)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 2)
    sys.stderr = os.fdopen(descriptor, "w", buffering=1)
    try:
        function(*args)
    except SystemExit:
        raise
    except BaseException as error:  # as the interpreter does at the end of a script
        sys.excepthook(type(error), error, error.__traceback__)
        if sys.excepthook is sys.__excepthook__:
            traceback.print_exc()
        sys.exit(1)
