"""Errors that a user can cause and fix: one line that names the file or key, the fault and the remedy.

Whatever raises one of them has left nothing half-written. ``configuration/error_report.py`` prints them as one line,
and the traceback of every other error in full.
"""

from __future__ import annotations


class UserError(ValueError):
    """What a user gave cannot be used; the message is one line and says what to do."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that a user named, or that must lie beside it, is not there."""

    def __str__(self) -> str:
        """The message alone; that of an OSError with two arguments would be a number and a text."""
        return " ".join(str(argument) for argument in self.args)
