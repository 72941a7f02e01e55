"""One process at a time in a run folder."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from pathlib import Path

from ..errors import UserError
from .run_files import LOCK

THIS_PROCESS = "this process"  # as a holder

# Descriptors, open while this process lives: closing one gives its lock back.
_held: dict[Path, int] = {}


def lock_run(run_dir: Path) -> None:
    """Take a run folder for this process until it ends, however it ends: the kernel frees the lock of a dead process.

    The lock is one of POSIX, which forked loader workers do not inherit, and which network file systems know.

    Raises:
        ValueError: another process holds the folder; names it.
    """
    holder = try_lock(run_dir)
    if holder is not None:
        raise UserError(
            f"{run_dir} is in use by {holder}; wait for it, stop it, or start a run of your own (--resume false)"
        )


def try_lock(run_dir: Path) -> str | None:
    """Take a run folder for this process; returns None, or who holds it."""
    path = run_dir.resolve() / LOCK
    if path in _held:
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        os.close(descriptor)
        if error.errno in {errno.EACCES, errno.EAGAIN}:
            return holder or "another process"
        return None  # a file system without locks
    os.truncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    _held[path] = descriptor
    return None


def holder(run_dir: Path) -> str | None:
    """Who holds a run folder, None where nobody does or the file system can't tell; changes nothing."""
    path = run_dir.resolve() / LOCK
    if path in _held:
        return THIS_PROCESS
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN}:
            return os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
    finally:
        os.close(descriptor)
    return None


def is_free(run_dir: Path) -> bool:
    """Whether no process, this one included, holds a run folder; false where the file system can't tell."""
    path = run_dir.resolve() / LOCK
    if path in _held or try_lock(run_dir) is not None or path not in _held:
        return False
    unlock_run(run_dir)
    return True


def unlock_run(run_dir: Path) -> None:
    """Give a run folder back before the process ends."""
    descriptor = _held.pop(run_dir.resolve() / LOCK, None)
    if descriptor is not None:
        os.truncate(descriptor, 0)
        os.close(descriptor)
