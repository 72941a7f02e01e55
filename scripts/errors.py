"""Errors that a user can cause and fix: one line that names the file or key, the fault and the remedy.

Whatever raises one of them has left nothing half-written. ``configuration/error_report.py`` prints them as one line,
and the traceback of every other error in full.
"""

from __future__ import annotations

import os
from pathlib import Path


class UserError(ValueError):
    """What a user gave cannot be used; the message is one line and says what to do.

    Args:
        message: the fault and the remedy. Where ``path`` is given it goes on from the path ("is truncated; ...",
            ": its size ...") and names no file, so that it can be told without saying whose file it is.
        path: the file at fault; it stands before the message.

    Attributes:
        path: the file at fault, or None.
        fault: the message without the path.
    """

    # B042 of flake8-bugbear: pickled whole, since __dict__ holds path and fault, and args the message
    def __init__(self, message: str = "", *, path: str | os.PathLike[str] | None = None) -> None:  # noqa: B042
        self.path = None if path is None else Path(path)
        self.fault = message
        super().__init__(message if path is None else join_fault(str(path), message))


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that a user named, or that must lie beside it, is not there."""

    def __str__(self) -> str:
        """The message alone; that of an OSError with two arguments would be a number and a text."""
        return " ".join(str(argument) for argument in self.args)


def join_fault(subject: str, fault: str) -> str:
    """A fault with what it is said of.

    >>> join_fault("its mask", ": its size is 3")
    'its mask: its size is 3'
    """
    return f"{subject}{fault}" if fault.startswith(":") else f"{subject} {fault}"
