"""A folder that is there with all of its content or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .atomic_files import flush
from .locks import file_lock


def make_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write into a temporary folder and give that its name ``target`` when all of it is on the disk.

    Whoever starts at the same time waits and finds the folder there (where the file system has no locks, both do the
    work, and the second to finish drops its own). After a kill at any moment ``target`` does not
    exist, and the next call removes what the killed one left. An exception of ``fill`` leaves nothing behind.

    Args:
        target: the folder to make; returns at once where it holds anything already.
        fill: writes the content into the folder that it is given.
    """
    if holds_anything(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.tmp-"
    with file_lock(target.with_name(f".{target.name}.lock")) as locked:
        if holds_anything(target):
            return
        if locked:  # whoever wrote these has ended
            for stale in [path for path in target.parent.iterdir() if path.name.startswith(prefix)]:
                shutil.rmtree(stale, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        try:
            temporary.chmod(0o777 & ~_umask())
            fill(temporary)
            _flush(temporary)
            _rename(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def holds_anything(folder: Path) -> bool:
    """Whether ``folder`` exists and is not empty."""
    return folder.is_dir() and any(folder.iterdir())


def _rename(temporary: Path, target: Path) -> None:
    try:
        temporary.rename(target)
    except OSError:
        if not holds_anything(target):
            raise
    flush(target.parent)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _flush(folder: Path) -> None:
    """Bring every file and folder under ``folder`` to the disk."""
    for path in folder.rglob("*"):
        flush(path)
    flush(folder)
