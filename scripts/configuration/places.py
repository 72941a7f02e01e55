"""Whether a folder can be made and written, found out before anything is computed for it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import UserError
from .workflow import running_workflow

# Of every workflow, the keys that hold a file or folder.
_KEYS = (
    "bundle_root",
    "output_dir",
    "dataset_dir",
    "runs_dir",
    "models_dir",
    "checkpoint",
    "picture",
    "split_file",
    "from",
    "resume",  # or true
)


def settle_typed_places() -> None:
    """Let ``~`` mean the home folder in every place that was typed, as it does in a shell; refuse an empty place.

    A shell leaves ``--output_dir=~/runs`` as it is, and makes nothing of a variable that is not set: ``""`` would be
    the working folder, whatever lies there.

    Raises:
        ValueError: names the option.
    """
    workflow = running_workflow()
    if workflow is None:
        return
    expanded = {}
    for key in _KEYS:
        value = workflow.parser.get(key)
        if (value is True and key != "resume") or (isinstance(value, str) and not value.strip()):
            raise UserError(f"{key} is empty; give a path behind --{key}, or leave the option away")
        if isinstance(value, str) and value.startswith("~"):
            expanded[key] = os.path.expanduser(value)
    if expanded:
        workflow.parser.update(expanded)
        workflow.parser.parse(reset=True)


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
