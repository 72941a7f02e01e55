"""A folder that is there with all of its content or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def make_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write into a temporary folder and give that its name ``target`` when all of it is on the disk.

    Whoever starts at the same time waits and finds the folder there. After a kill at any moment ``target`` does not
    exist, and the next call removes what the killed one left. An exception of ``fill`` leaves nothing behind.

    Args:
        target: the folder to make; returns at once where it holds anything already.
        fill: writes the content into the folder that it is given.
    """
    if holds_anything(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.tmp-"
    with _lock(target.with_name(f".{target.name}.lock")):
        if holds_anything(target):
            return
        for stale in target.parent.glob(f"{prefix}*"):
            shutil.rmtree(stale, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        try:
            temporary.chmod(0o777 & ~_umask())
            fill(temporary)
            _flush(temporary)
            temporary.rename(target)
            _fsync(target.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def holds_anything(folder: Path) -> bool:
    """Whether ``folder`` exists and is not empty."""
    return folder.is_dir() and any(folder.iterdir())


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold ``path`` alone; the kernel frees it when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _flush(folder: Path) -> None:
    """Bring every file and folder under ``folder`` to the disk."""
    for path in folder.rglob("*"):
        _fsync(path)
    _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
