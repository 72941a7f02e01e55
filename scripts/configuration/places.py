"""Whether a folder can be made and written, found out before anything is computed for it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import UserError


def require_place(output_dir: str | Path, key: str = "output_dir") -> Path:
    """Refuse a folder that can't be made or written; returns it, absolute. It is not made.

    Args:
        output_dir: the folder.
        key: what a user calls it.

    Raises:
        UserError: names the folder, what is wrong and the remedy.
    """
    remedy = f"choose another --{key}"
    if not isinstance(output_dir, str | Path):
        raise UserError(
            f"{key} must be the path of a folder, got {output_dir!r}; put a name that looks like a number in quotes"
        )
    try:
        root = Path(output_dir).expanduser().resolve()
        there = next(path for path in (root, *root.parents) if path.exists())
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{key} {output_dir} can't be a folder: {error}; {remedy}") from None
    if not there.is_dir():
        raise UserError(f"{key} {output_dir} can't be made: {there} is a file; {remedy}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{key} {output_dir} can't be written: {there} is closed to you; {remedy}")
    try:
        os.rmdir(tempfile.mkdtemp(dir=there))  # some places, such as /proc, say no only then
    except OSError as error:
        raise UserError(f"{key} {output_dir} can't be written: {there}: {error.strerror}; {remedy}") from None
    return root
