"""The tables that MONAI's MetricsSaver writes: a row a case, a column a class and their mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from ...errors import UserError
from ...runs.run_files import evaluation_folder
from ..grid import PlannedRun
from ..report.record import CaseScore
from ..status import PART
from .tree import TREE

RAW = "_raw.csv"
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm", ".png", ".jpg", ".tif", ".tiff", ".npy", ".npz")
DELIMITERS = (",", "\t", ";")


def saved_tables(folders: Iterable[Path]) -> list[Path]:
    """The tables of cases in some folders, each once."""
    return sorted({path for folder in folders for path in folder.glob(f"*{RAW}")})


def collect_scores(study_dir: Path, runs: Sequence[PlannedRun], score: tuple[str, str]) -> list[CaseScore]:
    """The scores of every case that finished runs have tested.

    Args:
        study_dir: folder of the study.
        runs: finished ones.
        score: metric and column of the primary score; all other columns are further scores.

    Raises:
        UserError: a run has no such table or column, or a case has no name or comes twice; names the file.
    """
    tables = {run.name: _tables(evaluation_folder(study_dir / run.name, PART[run.role]), run) for run in runs}
    names = _case_names([list(table) for found in tables.values() for table in found.values()])
    scores: list[CaseScore] = []
    for run in runs:
        metric, column = score
        found = tables[run.name]
        for file in found[metric] if metric in found else _refuse_missing(run, metric, found):
            values = {f"{name}/{key}": value for name in found for key, value in found[name].get(file, {}).items()}
            if f"{metric}/{column}" not in values:
                _refuse_missing(run, f"{metric}/{column}", values)
            primary = values.pop(f"{metric}/{column}")
            scores.append(
                CaseScore(run.condition, run.repeat, run.fold, names[file], primary, metrics=_without_twins(values))
            )
    return scores


def read_table(path: Path) -> dict[str, dict[str, float]]:
    """The scores of a table: by file of the case and by column.

    Raises:
        UserError: it is no such table, or names no case or one twice; names the line.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[0] if lines else ""
    delimiter = next((one for one in DELIMITERS if header.startswith(f"filename{one}")), None)
    if delimiter is None:
        raise UserError(f"{path} is no table of MONAI's MetricsSaver: its first line is {header[:60]!r}")
    columns = header.split(delimiter)[1:]
    rows: dict[str, dict[str, float]] = {}
    for number, line in enumerate(lines[1:], start=2):
        words = line.split(delimiter)
        file = delimiter.join(words[: -len(columns)])  # a path may hold the delimiter
        if file in ("", "None"):
            raise UserError(
                f"{path}, line {number} does not say which case it is of; give the bundle's MetricsSaver a "
                "batch_transform that gives the metadata of the images"
            )
        if file in rows:
            raise UserError(f"{path}, line {number}: {file} comes twice; an evaluation must see each case once")
        try:
            rows[file] = dict(zip(columns, map(float, words[-len(columns) :]), strict=True))
        except ValueError:
            raise UserError(f"{path}, line {number} holds what is no number: {line[:80]!r}") from None
    return rows


def _tables(folder: Path, run: PlannedRun) -> dict[str, dict[str, dict[str, float]]]:
    """By metric, case and column; a file of the bundle's own folder has the same name in every run."""
    own = f"/{run.name}/{TREE}/"
    return {
        path.name.removesuffix(RAW): {file.rpartition(own)[2]: row for file, row in read_table(path).items()}
        for path in saved_tables([folder])
    }


def _case_names(runs: Sequence[Sequence[str]]) -> dict[str, str]:
    """A short name for each file: as few of the last parts of its path as tell the cases apart."""
    files = sorted({file for run in runs for file in run})
    parts = {file: PurePath(_without_suffix(file)).parts for file in files}
    for depth in range(1, max(map(len, parts.values()), default=0) + 1):
        names = {file: "/".join(parts[file][-depth:]) for file in files}
        if len(set(names.values())) == len(files):
            return names
    return {file: file for file in files}


def _without_suffix(file: str) -> str:
    return next((file.removesuffix(end) for end in SUFFIXES if file.lower().endswith(end)), file)


def _without_twins(values: Mapping[str, float]) -> dict[str, float]:
    """Without the mean of a metric that has one class, which says the same twice."""
    counts: dict[str, int] = {}
    for name in values:
        metric = name.rpartition("/")[0]
        counts[metric] = counts.get(metric, 0) + 1
    return {
        name: value
        for name, value in values.items()
        if not (name.endswith("/mean") and counts[name.rpartition("/")[0]] == 2)
    }


def _refuse_missing(run: PlannedRun, wanted: str, there: Mapping[str, object]) -> list[str]:
    raise UserError(f"run {run.name} has saved no score {wanted} of its cases; there are {', '.join(there) or 'none'}")
