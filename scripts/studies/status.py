"""How far each run of a study has come, read from the run folders alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import UserError
from ..runs.file_kinds import refuse_other_kinds
from ..runs.lock import holder
from ..runs.run_files import CONFIG, SUMMARY, evaluation_folder
from .grid import PlannedRun
from .run_record import FAILED, RECORD, read_json, read_record
from .study_file import DEFAULT_PRECISION

State = Literal["missing", "running", "stopped", "failed", "done"]
STATES: tuple[State, ...] = ("done", "running", "stopped", "failed", "missing")
PART = {"run": "test", "tuning": "val", "pilot": "val"}  # a tuning run is never tested

# Where things lie and how a run is followed: may differ between what a run was started with and what is planned.
FREE = {
    "output_dir", "tracking_uri", "dataset_dir", "num_workers", "device", "checkpoint_interval", "loss_interval",
    "keep_checkpoints", "cache_share", "figure_interval",
}  # fmt: skip


@dataclass(frozen=True)
class RunStatus:
    """A run and how far it has come.

    Args:
        run: the run.
        state: "missing" has no folder yet, "stopped" can go on, "done" is trained and scored.
        seconds: that its attempts have taken, as far as they could say so.
        last_line: what a failed run said last.
    """

    run: PlannedRun
    state: State
    seconds: float = 0.0
    last_line: str = ""


def read_status(study_dir: Path, runs: Sequence[PlannedRun]) -> list[RunStatus]:
    """The state of each run, in order.

    Raises:
        UserError: a folder holds a run of other settings than those planned, or the scores of another run; names it and
            the difference.
    """
    return [_read(study_dir, run) for run in runs]


def count_states(statuses: Sequence[RunStatus]) -> dict[State, int]:
    """Number of runs by state, states without any left out."""
    counts = Counter(status.state for status in statuses)
    return {state: counts[state] for state in STATES if counts[state]}


def without_record(study_dir: Path, runs: Sequence[PlannedRun]) -> list[str]:
    """Names of runs that have scores and do not count, since nothing says what they were started with."""
    found = [run for run in runs if is_done(study_dir / run.name, run.role)]
    return [run.name for run in found if read_record(study_dir / run.name) is None]


def is_done(folder: Path, role: str) -> bool:
    """Whether a run is trained and scored."""
    return (evaluation_folder(folder, PART[role]) / SUMMARY).is_file()


def _read(study_dir: Path, run: PlannedRun) -> RunStatus:
    folder = study_dir / run.name
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{folder} is no folder, where run {run.name} belongs; move it away")
    if not folder.is_dir():
        return RunStatus(run, "missing")
    refuse_other_kinds(folder)
    record = read_record(folder)
    if record is None:
        return RunStatus(
            run, "running" if _is_held(folder) else "stopped" if (folder / CONFIG).is_file() else "missing"
        )
    refuse_other_run(folder, record, run)
    seconds = float(record.get("seconds", 0.0))
    if is_done(folder, run.role):
        _refuse_others_scores(folder, run.role)
        return RunStatus(run, "done", seconds)
    if _is_held(folder):
        return RunStatus(run, "running", seconds)
    failed = read_json(folder / FAILED)
    if failed is not None:
        return RunStatus(run, "failed", seconds, str(failed.get("last_line", "")))
    return RunStatus(run, "stopped", seconds)


def _refuse_others_scores(folder: Path, role: str) -> None:
    """Refuse scores that were copied from the folder of another run."""
    scores = evaluation_folder(folder, PART[role])
    computed_with = (read_json(scores / SUMMARY) or {}).get("computed_with", {})
    if not isinstance(computed_with, dict):
        raise UserError(f"{scores / SUMMARY} is damaged; delete {scores}, and {folder.name} is evaluated again")
    scored = computed_with.get("run", folder.name)
    if scored != folder.name:
        raise UserError(f"{scores} holds the scores of run {scored}; delete it, and {folder.name} is evaluated again")


def _is_held(folder: Path) -> bool:
    return holder(folder) is not None


def refuse_other_run(folder: Path, record: dict[str, Any], run: PlannedRun, remedy: str = "") -> None:
    """Refuse to count a run that was made under other settings than those of the study now.

    Args:
        folder: of the run.
        record: what it was started with.
        run: as it is planned now.
        remedy: what else can be done than to change the study; by default to delete the folder.

    Raises:
        UserError: names the run and the first difference.
    """
    planned, remedy = run.record(), remedy or f"delete {folder}"
    if not {"condition", "repeat", "fold", "role", "files", "overrides"} <= set(record):
        raise UserError(f"{folder / RECORD} is damaged: it does not say which run it is of; {remedy}")
    for key in ("condition", "repeat", "fold", "role"):
        if record[key] != planned[key]:
            raise UserError(_other(folder, key, record[key], planned[key], remedy))
    before, now = ([os.path.basename(file) for file in entry["files"]] for entry in (record, planned))
    if before != now:
        raise UserError(_other(folder, "parts", before, now, remedy))
    was, will = ({"precision": DEFAULT_PRECISION} | entry["overrides"] for entry in (record, planned))
    for key in sorted((set(was) | set(will)) - FREE):
        if was.get(key) != will.get(key):
            raise UserError(_other(folder, key, was.get(key), will.get(key), remedy))


def _other(folder: Path, key: str, was: Any, now: Any, remedy: str) -> str:
    return (
        f"run {folder.name} was made with {key} {was} and the study now says {now}: runs of both can't be compared; "
        f"change it back, give the study another name, or {remedy}"
    )
