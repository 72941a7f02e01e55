"""What a study keeps in a run's folder beside what the training keeps, and the plan that a run is started from.

<study>/plan/<run>.json             the run as it was planned last
<study>/<run>/study_run.json        the run as it was started: condition, repeat, fold, files, overrides; seconds
<study>/<run>/failed.json           last line of an attempt that failed; gone when the run is started again
<study>/<run>/log.txt               what the run's attempts said
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import MissingFileError, UserError
from ..storage.atomic_files import write_text
from .grid import PlannedRun

BUSY = 73  # exit code of a run that another process has
RECORD, FAILED, LOG, PLAN = "study_run.json", "failed.json", "log.txt", "plan"


def write_plan(study_dir: Path, runs: list[PlannedRun]) -> None:
    """Write down what runs are started from, for processes on this or another machine."""
    folder = study_dir / PLAN
    folder.mkdir(parents=True, exist_ok=True)
    for run in runs:
        text = json.dumps(run.record(), indent=1)
        path = folder / f"{run.name}.json"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def read_plan(study_dir: Path, name: str) -> PlannedRun:
    """The run of a name.

    Raises:
        MissingFileError: the study has no such run.
    """
    path = study_dir / PLAN / f"{name}.json"
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; plan the study first, or name one of its runs")
    return from_record(json.loads(path.read_text(encoding="utf-8")))


def from_record(record: dict[str, Any]) -> PlannedRun:
    """The run that a record describes."""
    known = {key: record[key] for key in PlannedRun.__dataclass_fields__}
    return PlannedRun(**(known | {"files": tuple(record["files"])}))


def read_json(path: Path) -> dict[str, Any] | None:
    """The content of a JSON file, None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged; delete it, and the run is started again")
    return content


def update_record(folder: Path, **values: Any) -> None:
    """Change values of a run's record in one step."""
    write_text(folder / RECORD, json.dumps((read_json(folder / RECORD) or {}) | values, indent=1))


def write_failure(folder: Path, last_line: str) -> None:
    """Write down what a run said last."""
    write_text(folder / FAILED, json.dumps({"last_line": last_line}, indent=1))
