"""Runs that failed, as saved runs hold them: what was planned, and the last line that each said."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..storage.atomic_files import write_text
from .collect import record_of
from .run_record import RECORD, write_failure
from .status import FREE, RunStatus

_FOLDERS = re.compile(r"(?<![\w.])(?:~|\.{0,2})(?:/[^/\s:'\",;()]+)*/(?=[^/\s:'\",;()]+)")


def portable_plan(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was planned to be, without the places of the machine that ran it."""
    return {
        **{key: record[key] for key in ("name", "condition", "repeat", "fold", "role", "learning_rate")},
        "files": [os.path.basename(file) for file in record["files"]],
        "overrides": {key: value for key, value in record["overrides"].items() if key not in FREE},
    }


def describe_failure(study_dir: Path, status: RunStatus) -> dict[str, Any]:
    """A failed run as runs.json holds it."""
    record = record_of(study_dir / status.run.name)
    return {**portable_plan(record), "seconds": status.seconds, "last_line": without_folders(status.last_line)}


def restore_failure(folder: Path, described: Mapping[str, Any]) -> None:
    """Write a failed run's folder, so that the report names it; a study that goes on tries it again."""
    record = {key: value for key, value in described.items() if key != "last_line"}
    folder.mkdir(parents=True, exist_ok=True)
    write_failure(folder, str(described["last_line"]))
    write_text(folder / RECORD, json.dumps(record | {"restored": True}, indent=1))


def without_folders(line: str) -> str:
    """A line with the names of files alone where it has paths, which may name a person or a machine.

    >>> without_folders("/home/me/data/x.nii can't be read; see ~/log.txt, epoch 3/5")
    "x.nii can't be read; see log.txt, epoch 3/5"
    """
    return _FOLDERS.sub("", line)
