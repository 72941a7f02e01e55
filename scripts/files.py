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
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
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


def flush_file(path: Path) -> None:
    """Flush what any process has written to a file; a missing one is passed over."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
