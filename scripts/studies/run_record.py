"""What a study keeps in a run's folder beside what the training keeps, and the plan that a run is started from.

<study>/plan/<run>.json             the run as it was planned last
<study>/<run>/study_run.json        the run as it was started: condition, repeat, fold, files, overrides; seconds
<study>/<run>/failed.json           last line of an attempt that failed; gone when the run is started again
<study>/<run>/log.txt               what the run's attempts said
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import MissingFileError, UserError
from ..storage.atomic_files import write_text
from .grid import PlannedRun


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


# What the values of a run's record are, where they are there.
KINDS: dict[str, Callable[[Any], bool]] = {
    **{key: lambda value: isinstance(value, str) for key in ("name", "condition", "role", "device", "ended_early")},
    **{key: lambda value: isinstance(value, int) for key in ("repeat", "fold")},
    **dict.fromkeys(("files", "score_labels"), _is_texts),
    "overrides": lambda value: isinstance(value, dict),
    "patients": lambda value: isinstance(value, dict) and all(isinstance(name, str) for name in value.values()),
    "seconds": lambda value: isinstance(value, int | float) and math.isfinite(value) and value >= 0,
    "learning_rate": lambda value: value is None or (isinstance(value, int | float) and math.isfinite(value)),
    "versions": lambda value: isinstance(value, str) and all(" " in part for part in value.split(", ") if value),
}

BUSY = 73  # exit code of a run that another process has
RECORD, FAILED, LOG, PLAN = "study_run.json", "failed.json", "log.txt", "plan"


def write_plan(study_dir: Path, runs: list[PlannedRun]) -> None:
    """Write down what runs are started from, for processes on this or another machine."""
    folder = study_dir / PLAN
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is no folder, where the study writes down its runs; move it away")
    folder.mkdir(parents=True, exist_ok=True)
    for run in runs:
        text = json.dumps(run.record(), indent=1)
        path = folder / f"{run.name}.json"
        if path.is_dir():
            raise UserError(f"{path} is a folder, where the study writes down a run; move it away")
        if not path.is_file() or path.read_bytes() != text.encode():
            write_text(path, text)


def read_plan(study_dir: Path, name: str) -> PlannedRun:
    """The run of a name.

    Raises:
        MissingFileError: the study has no such run.
        ValueError: the plan is damaged, or of another run.
    """
    path = study_dir / PLAN / f"{name}.json"
    remedy = "start the study again, which writes it anew"
    record = read_json(path, remedy)
    if record is None:
        raise MissingFileError(f"{path} does not exist; plan the study first, or name one of its runs")
    _refuse_odd_values(path, record, remedy)
    if not set(PlannedRun.__dataclass_fields__) <= set(record) or record["role"] not in ("run", "tuning", "pilot"):
        raise UserError(f"{path} is damaged: it does not say what to run; {remedy}")
    if record["name"] != name:
        raise UserError(f"{path} is the plan of run {record['name']}; {remedy}")
    return from_record(record)


def from_record(record: dict[str, Any]) -> PlannedRun:
    """The run that a record describes."""
    known = {key: record[key] for key in PlannedRun.__dataclass_fields__}
    return PlannedRun(**(known | {"files": tuple(record["files"])}))


def read_json(path: Path, remedy: str = "delete it, and the run is started again") -> dict[str, Any] | None:
    """The content of a JSON file, None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError, IsADirectoryError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged; {remedy}")
    return content


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a run's folder says of the run, None where it says nothing.

    Raises:
        ValueError: it is damaged, or has a value that no study writes; names it.
    """
    record = read_json(folder / RECORD)
    if record is not None:
        _refuse_odd_values(folder / RECORD, record, "delete it, and the run is started again")
    return record


def _refuse_odd_values(path: Path, record: dict[str, Any], remedy: str) -> None:
    for key, is_sound in KINDS.items():
        if key in record and not is_sound(record[key]):
            raise UserError(f"{path} is damaged: {key} is {str(record[key])[:60]}; {remedy}")


def update_record(folder: Path, **values: Any) -> None:
    """Change values of a run's record in one step."""
    write_text(folder / RECORD, json.dumps((read_record(folder) or {}) | values, indent=1))


def write_failure(folder: Path, last_line: str) -> None:
    """Write down what a run said last."""
    write_text(folder / FAILED, json.dumps({"last_line": last_line}, indent=1))
