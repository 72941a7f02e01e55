"""Files that are either whole or not there: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, flush it to disk and rename it to ``path``.

    Whatever stops the process, ``path`` holds the old bytes or the new ones. The temporary file is removed on an error.

    Args:
        path: the final name; its folder exists.
        write: called with the temporary path; creates that file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    write_atomically(path, lambda temporary: _write(temporary, text))


def remove_left_behind(folder: Path) -> None:
    """Remove the temporary files of killed processes; nobody else may be writing into ``folder``."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Bring to the disk what any process has written to a file, or the entries of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
