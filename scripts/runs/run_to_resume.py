"""Which run a training goes on with, and whether it still holds what going on needs."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import MissingFileError, UserError
from .checkpoint import load
from .file_kinds import refuse_other_kinds
from .run_files import BEST, CONFIG, LAST, LOCK
from .state_check import refuse_odd_tables


def find_run_to_resume(root: Path, run_name: str, resume: bool | str | None) -> Path | None:
    """The folder of the run to go on with, None for a new run.

    Args:
        root: the folder of all runs.
        run_name: name of the run.
        resume: see ``open_run_dir``.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: it has lost its last checkpoint, or see ``refuse_other_kinds``.
    """
    if isinstance(resume, str):
        path: Path | None = _named(root, resume)
    else:
        path = _newest(root, run_name) if resume else None
    if path is not None:
        refuse_other_kinds(path)
        _refuse_lost_state(path)
    return path


def _named(root: Path, resume: str) -> Path:
    path = next((p for p in (Path(resume), root / resume) if os.path.lexists(p / CONFIG)), None)
    if path is None:
        raise MissingFileError(f"no run to resume in {resume}: it holds no {CONFIG}; give a run's folder, or true")
    return path.resolve()


def _newest(root: Path, name: str) -> Path | None:
    """The run folder that was made last for ``name``, if only just before its process was killed."""
    pattern = re.compile(re.escape(name) + r"(?:-(\d+))?")
    numbered = [(int(match[1] or 1), path) for path in root.glob("*") if (match := pattern.fullmatch(path.name))]
    return max((entry for entry in numbered if _is_run(entry[1])), default=(0, None))[1]


def _is_run(path: Path) -> bool:
    return path.is_dir() and (any(os.path.lexists(path / name) for name in (CONFIG, LOCK)) or not any(path.iterdir()))


def _refuse_lost_state(path: Path) -> None:
    """Refuse to begin anew over a best network whose training has lost its last state: that is kept from epoch 1 on."""
    if (path / LAST).is_file() or not (path / BEST).is_file():
        return
    state = load(path / BEST)
    refuse_odd_tables(path / BEST, state)
    epoch = state.get("progress", {}).get("epoch", 0)
    if epoch > 1:
        raise UserError(
            f"{path} holds the {BEST} of epoch {epoch} and no {LAST}, so that the training would begin anew and "
            "replace it; put the run's own file back, or start a new run (--resume false)"
        )
