"""Finished runs of a study in two small files, from which its report can be made again and the study gone on with.

<folder>/cases.csv    the scores of every case that finished runs have tested, as the runs wrote them
<folder>/runs.json    what else the study reads of its runs: settings, splits, validation scores, class weights,
                      seconds; runs that failed, with their last lines; and the launches of the study

No networks, checkpoints or pictures, and no paths of the machine that trained.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..runs.run_files import JOURNAL, PER_CASE, SPLIT, SUMMARY, evaluation_folder
from ..storage.atomic_files import write_text
from .blocks import all_runs
from .collect import VALIDATION, WEIGHT, is_shown, read_progress, record_of
from .grid import PlannedRun, plan_pilot, plan_repeats, plan_tuning
from .history import LAUNCHES
from .run_origin import run_versions
from .run_record import RECORD, from_record, read_json
from .saved_failures import describe_failure, portable_plan, restore_failure
from .saved_format import read_cases, read_saved, text_sha256
from .status import PART, read_status, refuse_other_run
from .study_file import Study

CASES, RUNS = "cases.csv", "runs.json"


def save_runs(study: Study, folder: Path) -> int:
    """Write the finished runs of a study into a folder, those that it was restored from included.

    Args:
        study: the study.
        folder: is made where it is not there.

    Returns:
        Number of runs in the folder.
    """
    statuses = read_status(study.output_dir, all_runs(study))
    done = [status.run for status in statuses if status.state == "done"]
    failed = [describe_failure(study.output_dir, status) for status in statuses if status.state == "failed"]
    if not done and not failed:
        return 0
    patients: dict[str, str] = {}
    for run in done:
        patients |= record_of(study.output_dir / run.name).get("patients", {})
    cases = _cases(study.output_dir, done)
    content = {"launches": _launches(study.output_dir), "patients": patients, "cases_sha256": text_sha256(cases)}
    if failed:
        content["failed"] = failed
    lines = ",\n".join(json.dumps(_describe(study.output_dir / run.name, run)) for run in done)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / CASES, cases)
    write_text(folder / RUNS, f'{json.dumps(content)[:-1]},\n"runs": [\n{lines}\n]}}\n')
    return len(done)


def restore_runs(study: Study, folder: Path) -> int:
    """Bring finished runs from a folder that `save_runs` wrote into the study, where they count as done.

    Runs that the study has folders of are left as they are.

    Returns:
        Number of runs that were restored.

    Raises:
        UserError: the files are damaged, belong together no more, or hold runs of other settings than the study's.
    """
    if not os.path.lexists(folder / RUNS):
        return 0
    content = read_saved(folder / RUNS)
    planned = {run.name: run for run in _every_run(study)}
    records = {record["name"]: record for record in content["runs"] if record["name"] in planned}
    failures = {record["name"]: record for record in content["failed"] if record["name"] in planned}
    every = {**failures, **records}
    absent = {name for name in every if not (study.output_dir / name / RECORD).is_file()}
    missing = absent & set(records)
    if not absent:
        return 0
    remedy = f"name another folder than {folder} with --saved_runs"
    for name in sorted(absent):  # before anything is written
        refuse_other_run(folder / name, every[name], _placed(planned[name], every[name]), remedy)
    rows = read_cases(folder / CASES, records, content["cases_sha256"]) if missing else {}
    study.output_dir.mkdir(parents=True, exist_ok=True)
    if content["launches"] and not (study.output_dir / LAUNCHES).is_file():
        write_text(study.output_dir / LAUNCHES, json.dumps(content["launches"], indent=1))
    for name in sorted(missing):
        _restore(study.output_dir / name, records[name], rows.get(name, []), content["patients"])
    for name in sorted(absent - missing):
        restore_failure(study.output_dir / name, failures[name])
    return len(missing)


def _every_run(study: Study) -> list[PlannedRun]:
    """Every run that the study can come to have, those of a race's later looks included."""
    pilot = [plan_pilot(study)] if study.hours is not None else []
    tuning = plan_tuning(study) if study.tune else []
    return [*pilot, *tuning, *plan_repeats(study, range(1, study.repeats + 1))]


def _placed(run: PlannedRun, record: Mapping[str, Any]) -> PlannedRun:
    """A planned run with what tuning chose since: rates that are not known before the tuning runs are restored."""
    if run.role != "run" or run.learning_rate is not None or record["learning_rate"] is None:
        return run
    chosen = {"learning_rate": record["learning_rate"]}
    return from_record(run.record() | chosen | {"overrides": {**run.overrides, **chosen}})


def _launches(study_dir: Path) -> Any:
    path = study_dir / LAUNCHES
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def _describe(folder: Path, run: PlannedRun) -> dict[str, Any]:
    """One run as runs.json holds it."""
    record = record_of(folder)
    split = read_json(folder / SPLIT) or {}
    scores, weights = read_progress(folder)
    return {
        **portable_plan(record),
        **{key: record[key] for key in ("score_labels", "device", "seconds", "ended_early") if key in record},
        "versions": run_versions(folder, run.role),
        "split": {key: split[key] for key in ("dataset", "fingerprint", "sha256") if key in split},
        "validation": scores,
        "class_weights": weights,
        "cases": len(_cases_of(folder)) if run.role == "run" else 0,
    }


def _cases_of(folder: Path) -> list[dict[str, str]]:
    with (evaluation_folder(folder, PART["run"]) / PER_CASE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _cases(study_dir: Path, runs: Sequence[PlannedRun]) -> str:
    columns = ["run", "case", "patient"]
    rows: list[dict[str, str]] = []
    for run in runs:
        if run.role != "run":
            continue
        record = record_of(study_dir / run.name)
        labels, patients = record.get("score_labels", []), record.get("patients", {})
        for row in _cases_of(study_dir / run.name):
            kept = {key: value for key, value in row.items() if is_shown(key, labels)}
            columns += [key for key in kept if key not in columns]
            rows.append(
                {"run": run.name, "case": row["case"], "patient": row.get("patient") or patients.get(row["case"], "")}
                | kept
            )
    return _as_csv(columns, rows)


def _as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _restore(folder: Path, record: dict[str, Any], rows: list[dict[str, str]], patients: Mapping[str, str]) -> None:
    """Write a run's folder as far as a study reads it; its record comes last, for it makes the run count."""
    kept = dict(record)
    split, scores, weights = kept.pop("split"), kept.pop("validation"), kept.pop("class_weights")
    kept.pop("cases")
    interval = int(kept["overrides"].get("val_interval", 1))
    evaluation = evaluation_folder(folder, PART[kept["role"]])
    evaluation.mkdir(parents=True, exist_ok=True)
    if split:
        write_text(folder / SPLIT, json.dumps(split))
    write_text(folder / JOURNAL, "".join(_journal(scores, weights, interval)))
    if rows:
        write_text(evaluation / PER_CASE, _as_csv(list(rows[0]), rows))
    write_text(evaluation / SUMMARY, json.dumps({"restored": True}))
    write_text(folder / RECORD, json.dumps(kept | {"patients": patients, "restored": True}, indent=1))


def _journal(scores: Sequence[float], weights: Mapping[str, Sequence[float]], interval: int) -> Iterable[str]:
    """Lines of a journal that hold the curves alone."""
    for number, score in enumerate(scores, 1):
        yield json.dumps({"metrics": {VALIDATION: score}, "step": number * interval}) + "\n"
    for name, path in weights.items():
        for number, weight in enumerate(path, 1):
            yield json.dumps({"metrics": {f"{WEIGHT}{name}": weight}, "step": number}) + "\n"
