"""From the run folders of a study to what its report is made of."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import UserError
from ..runs.run_files import JOURNAL, PER_CASE, evaluation_folder
from ..tracking.journal import read_records
from .convergence import LOST
from .grid import PlannedRun
from .primary_score import split_score
from .report.record import CaseScore, Curve, EarlyEnd, Exclusion, WeightPath
from .run_record import RECORD, read_record
from .status import PART

VALIDATION, WEIGHT = "val/dice/mean", "acw/w_"


def collect_scores(study_dir: Path, runs: Sequence[PlannedRun], score: str) -> list[CaseScore]:
    """The scores of every case that finished runs have tested.

    Args:
        study_dir: folder of the study.
        runs: finished ones.
        score: the primary score, "dice" (mean of the foreground classes) or "dice/prostate".

    Raises:
        UserError: a table can't be read or has no such score.
    """
    return [row for run in runs for row in _rows(study_dir / run.name, run, score)]


def split_cases(scores: Sequence[CaseScore]) -> list[CaseScore]:
    """Make what each run has tested of a volume a case of its own, where runs of a repeat share out a volume's images.

    They do where images are dealt, whatever they show (``random_images_leaky``). Cases that one run of a repeat has
    tested whole keep their names.
    """
    folds: dict[tuple[int, str], set[int]] = {}
    for score in scores:
        folds.setdefault((score.repeat, score.case), set()).add(score.fold)
    shared = {case for (_, case), found in folds.items() if len(found) > 1}
    return [
        replace(
            score,
            case=f"{score.case} (images of repeat {score.repeat}, fold {score.fold})",
            patient=score.patient or score.case,
        )
        if score.case in shared
        else score
        for score in scores
    ]


def collect_curves(study_dir: Path, runs: Sequence[PlannedRun]) -> tuple[list[Curve], list[WeightPath]]:
    """Validation scores and adaptive class weights of finished runs over their epochs."""
    curves, paths = [], []
    for run in runs:
        place = run.condition, run.repeat, run.fold
        scores, weights = read_progress(study_dir / run.name)
        interval = int(run.overrides.get("val_interval", 1))
        curves.append(Curve(*place, [interval * (i + 1) for i in range(len(scores))], scores))
        if weights:
            longest = max(map(len, weights.values()))
            paths.append(WeightPath(*place, [i + 1 for i in range(longest)], weights))
    return curves, paths


def read_progress(folder: Path) -> tuple[list[float], dict[str, list[float]]]:
    """The validation scores of a run, and its adaptive class weights by class, in the order of the epochs."""
    curves: dict[str, dict[int, float]] = {}
    journal = folder / JOURNAL
    for record, _ in read_records(journal) if journal.is_file() else ():
        for name, value in record.get("metrics", {}).items():
            if name == VALIDATION or name.startswith(WEIGHT):
                curves.setdefault(name, {})[record["step"]] = value  # the later of two: a resumed run repeats a step
    scores = list(curves.pop(VALIDATION, {}).values())
    return scores, {name.removeprefix(WEIGHT): list(curve.values()) for name, curve in curves.items()}


def lost_in_validation(folder: Path) -> bool:
    """Whether the network that a run keeps has lost a class: no Dice of its best validation may be below ``LOST``.

    A run that was restored from saved ones has no scores of classes, and is taken to have lost none.
    """
    labels = record_of(folder).get("score_labels", [])
    best: dict[str, float] = {}
    journal = folder / JOURNAL
    for record, _ in read_records(journal) if journal.is_file() else ():
        best |= {name: value for name, value in record.get("metrics", {}).items() if name.startswith("best/dice/")}
    return any(best.get(f"best/dice/{label}", 1.0) < LOST for label in labels)


def find_exclusions(scores: Sequence[CaseScore]) -> list[Exclusion]:
    """Cases without a score: neither the truth nor a prediction holds an object."""
    counts: dict[str, int] = {}
    for score in scores:
        counts[score.case] = counts.get(score.case, 0) + math.isnan(score.score)
    return [
        Exclusion(case, f"no object in truth and prediction in {count} of the tests: no score")
        for case, count in sorted(counts.items())
        if count
    ]


def find_early_ends(study_dir: Path, runs: Sequence[PlannedRun]) -> list[EarlyEnd]:
    """Finished runs that a rule ended before their last epoch."""
    ends = {run.name: (run, record_of(study_dir / run.name).get("ended_early")) for run in runs}
    return [EarlyEnd(name, str(how), run.condition) for name, (run, how) in ends.items() if how]


def _rows(folder: Path, run: PlannedRun, score: str) -> list[CaseScore]:
    path = evaluation_folder(folder, PART[run.role]) / PER_CASE
    record = record_of(folder)
    patients: dict[str, str] = record.get("patients", {})
    table = _read_table(path)
    labels = [str(label) for label in record.get("score_labels", [])]
    columns = _columns(path, table[0], score, labels)
    shown = [] if len(columns) > 1 else columns  # of several classes' mean, each class is a score of its own
    further = [name for name in table[0] if name not in shown and is_shown(name, labels)]
    return [
        CaseScore(
            run.condition,
            run.repeat,
            run.fold,
            row["case"],
            _mean([_score(path, row, column) for column in columns]),
            row.get("patient") or patients.get(row["case"], ""),
            {name: _score(path, row, name) for name in further},
        )
        for row in table
    ]


def _read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table of cases.

    Raises:
        UserError: it is missing or damaged, or a case stands in it twice.
    """
    remedy = f"delete {path.parent} and start the study again"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} can't be read ({type(error).__name__}); {remedy}") from None
    if not table:
        raise UserError(f"{path} holds no case; {remedy}")
    if "case" not in table[0] or any(None in row or None in row.values() for row in table):
        raise UserError(f"{path} is damaged: a row has other columns than its head; {remedy}")
    if len({row["case"] for row in table}) < len(table):
        raise UserError(f"{path} holds a case twice; {remedy}")
    return table


def _columns(path: Path, row: dict[str, str], score: str, labels: Sequence[str]) -> list[str]:
    """Columns whose mean is the primary score."""
    measure, label = split_score(score)
    columns = [f"{measure}/{name}" for name in ([label] if label else labels)]
    if not columns or any(column not in row for column in columns):
        raise UserError(
            f"{path} has no score {score} of the classes that {RECORD} of the run has ({', '.join(labels) or 'none'}); "
            f"its columns are {', '.join(row)}; set another score, or delete that {RECORD} and start the study again"
        )
    return columns


def is_shown(name: str, labels: Sequence[str]) -> bool:
    """Whether a column is a further score of the report: of one scored class, or the mean calibration error."""
    measure, _, label = name.partition("/")
    return measure != "original" and (label in labels or name == "ece/mean")


def _mean(values: list[float]) -> float:
    """Mean of the classes that are there, NaN where none is."""
    there = [value for value in values if not math.isnan(value)]
    return fmean(there) if there else math.nan


def _score(path: Path, row: dict[str, str], column: str) -> float:
    """A number of a table, NaN where it holds none; an overlap lies within 0 and 1."""
    text = row[column]
    overlap = column.removeprefix("original/").split("/")[0] in ("dice", "iou")
    try:
        value = float(text) if text else math.nan
        if not overlap or math.isnan(value) or 0 <= value <= 1:
            return value
    except ValueError:
        pass
    raise UserError(
        f"{path} is damaged: {column} of case {row['case']} is {text!r}; delete {path.parent} and start the study again"
    )


def record_of(folder: Path) -> dict[str, Any]:
    """What a run's folder says of the run."""
    return read_record(folder) or {}
