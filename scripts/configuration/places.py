"""Whether a folder can be made and written, found out before anything is computed for it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import UserError


def require_place(output_dir: str | Path) -> Path:
    """Refuse an ``output_dir`` that can't be made or written; returns it, absolute. It is not made.

    Raises:
        UserError: names the folder, what is wrong and the remedy.
    """
    remedy = "choose another --output_dir"
    try:
        root = Path(output_dir).expanduser().resolve()
        there = next(path for path in (root, *root.parents) if path.exists())
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"output_dir {output_dir} can't be a folder: {error}; {remedy}") from None
    if not there.is_dir():
        raise UserError(f"output_dir {output_dir} can't be made: {there} is a file; {remedy}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"output_dir {output_dir} can't be written: {there} is closed to you; {remedy}")
    try:
        os.rmdir(tempfile.mkdtemp(dir=there))  # some places, such as /proc, say no only then
    except OSError as error:
        raise UserError(f"output_dir {output_dir} can't be written: {there}: {error.strerror}; {remedy}") from None
    return root
