"""A lock file that one process at a time holds."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[bool]:
    """Hold a lock file alone while the block runs; the kernel frees it when the process ends, however it ends.

    Yields whether it is held: some network file systems have no locks.
    """
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            held = True
        except OSError:
            held = False
        try:
            yield held
        finally:
            if held:
                fcntl.flock(lock, fcntl.LOCK_UN)  # a loader worker forked meanwhile keeps the file open
