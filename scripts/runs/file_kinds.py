"""Whether files stand where a run has files, and folders where it has folders.

What is of another kind would pass for missing: a training would begin anew in the folder of one that has finished.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ..errors import UserError
from .run_files import (
    BEST,
    CONFIG,
    EVALUATION,
    FIGURES,
    JOURNAL,
    LAST,
    LOCK,
    MLFLOW_MODEL,
    MODEL,
    PER_CASE,
    PER_IMAGE,
    PICTURES,
    SPLIT,
    SUMMARY,
    TRACKED_CONFIG,
    TRACKING,
    TRACKING_LOCK,
    evaluation_folder,
)

FILES = (CONFIG, SPLIT, TRACKED_CONFIG, JOURNAL, TRACKING, LAST, BEST, MODEL, LOCK, TRACKING_LOCK)
FOLDERS = (os.path.dirname(TRACKED_CONFIG), FIGURES, MLFLOW_MODEL, EVALUATION)


def refuse_other_kinds(run_dir: Path) -> None:
    """Refuse a run folder in which something stands in the place of one of the run's files or folders.

    Raises:
        ValueError: a folder, a link to nothing or a pipe stands where the run has a file, or anything else than a
            folder where it has one; names it.
    """
    tested = [evaluation_folder(run_dir, part) for part in ("val", "test")]
    for folder in (*(run_dir / name for name in FOLDERS), *tested, *(folder / PICTURES for folder in tested)):
        kind = _kind(folder)
        if kind not in (None, "a folder"):
            raise UserError(f"{folder} is {kind}, where a run has a folder; put the run's own folder back")
    scores = [folder / name for folder in tested for name in (PER_IMAGE, PER_CASE, SUMMARY)]
    for path in (*(run_dir / name for name in FILES), *scores):
        kind = _kind(path)
        if kind not in (None, "a file"):
            remedy = "delete it" if path.name in (LOCK, TRACKING_LOCK) else "put the run's own file back"
            raise UserError(f"{path} is {kind}, where a run has a file; {remedy}")


def _kind(path: Path) -> str | None:
    """What stands there, None for nothing; found out at once, since the run may be going on."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return "a link to what is not there" if path.is_symlink() else None
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if stat.S_ISREG(mode) else "no regular file"
