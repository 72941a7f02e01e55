"""Folders of a study's runs that a disk, or a hand, has damaged: each is named, and none is left out or believed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import MissingFileError, UserError
from scripts.runs.run_files import CONFIG, JOURNAL, SPLIT, SUMMARY, evaluation_folder
from scripts.studies.assemble import study_record
from scripts.studies.blocks import all_runs
from scripts.studies.grid import plan_tuning
from scripts.studies.history import LAUNCHES, record_launch
from scripts.studies.mlflow_study import _condition, track_study
from scripts.studies.run_record import PLAN, RECORD, read_plan, write_plan
from scripts.studies.status import without_record
from scripts.studies.study_file import Study
from scripts.studies.tuning import tuning_trials
from tests.studies.test_blocks import finish
from tests.studies.tiny_study import tiny_study
from tests.workflows import ROOT

RUN, OTHER = "ce-r1-f0", "adfl-r1-f0"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = tiny_study(tmp_path)
    for run in all_runs(study):
        finish(study, run)
    record_launch(study)
    return study


def write(path: Path, content: str | None) -> None:
    """Put a text, or a folder, where a file was."""
    path.unlink(missing_ok=True)
    path.mkdir() if content is None else path.write_text(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seconds", "long"), ("seconds", None), ("seconds", -5), ("seconds", float("nan")), ("files", None),
        ("files", [3]), ("overrides", [1]), ("overrides", None), ("score_labels", "prostate"), ("patients", [1]),
        ("patients", {"a": 5}), ("ended_early", 5), ("device", [1]), ("versions", 5), ("versions", "torch"),
        ("condition", 3), ("fold", "0"),
    ],
)  # fmt: skip
def test_a_value_of_a_record_that_no_study_writes_is_named(study: Study, key: str, value: Any) -> None:
    path = study.output_dir / RUN / RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(UserError, match=rf"{RECORD} is damaged: {key} is .*; delete it, and the run is started again"):
        study_record(study, "study.yaml", [])


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (RECORD, None, f"{RECORD} is damaged; delete it"),
        ("evaluation/test/summary.json", None, "summary.json is a folder, where a run has a file"),
        ("evaluation/test/summary.json", '{"computed_with": 5}', "summary.json is damaged; delete .*evaluated again"),
        ("evaluation/test/per_case.csv", None, "per_case.csv is a folder, where a run has a file"),
        (JOURNAL, None, f"{JOURNAL} is a folder, where a run has a file"),
        (SPLIT, None, f"{SPLIT} is a folder, where a run has a file"),
    ],
)
def test_a_damaged_file_of_a_finished_run_is_named(study: Study, file: str, content: str | None, told: str) -> None:
    write(study.output_dir / RUN / file, content)
    with pytest.raises(UserError, match=told):
        study_record(study, "study.yaml", [])


def test_a_file_in_place_of_a_runs_folder_is_named(study: Study) -> None:
    shutil.rmtree(study.output_dir / RUN)
    (study.output_dir / RUN).write_text("")
    with pytest.raises(UserError, match=f"{RUN} is no folder, where run {RUN} belongs; move it away"):
        study_record(study, "study.yaml", [])


def test_a_training_without_its_split_is_compared_with_no_other(study: Study) -> None:
    (study.output_dir / RUN / CONFIG).write_text("{}")
    with pytest.raises(UserError, match=f"{SPLIT} is missing, so that nothing tells whether the run had the data"):
        study_record(study, "study.yaml", [])


@pytest.mark.parametrize("content", [None, "{}", '[{"sha256": 3, "changes": 5, "content": 7}]', "[5]"])
def test_a_damaged_history_is_named(study: Study, content: str | None) -> None:
    write(study.output_dir / LAUNCHES, content)
    with pytest.raises(UserError, match=f"{LAUNCHES} is damaged, which says how the study was changed"):
        study_record(study, "study.yaml", [])


def test_a_trial_without_validation_scores_does_not_drop_out_of_the_choice(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, tune=True, settings={"learning_rate": 0.003})
    trials = plan_tuning(study)
    for run in trials:
        finish(study, run)
    assert len(tuning_trials(study, study.output_dir)) == len(trials)
    (study.output_dir / trials[0].name / JOURNAL).unlink()
    with pytest.raises(UserError, match=f"{JOURNAL} holds no validation score of a trial that has finished"):
        tuning_trials(study, study.output_dir)


@pytest.mark.parametrize("content", ["{", '{"run_id": [1]}', None])
def test_what_is_known_of_mlflow_does_not_cost_the_report(
    study: Study, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    write(study.output_dir / RUN / "tracking.json", content)
    analysis: Any = type("", (), {"table": type("", (), {"losses": ("ce",)})})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.studies.mlflow_study._condition", lambda *words: _with_any_estimate(*words))
        assert track_study(study, analysis, all_runs(study)) is None
    assert (content == '{"run_id": [1]}') != ("tracking.json is damaged; put the run's own file back" in caplog.text)


def _with_any_estimate(study: Study, _analysis: Any, name: str, runs: Any) -> Any:
    values = dict.fromkeys(("low", "high", "regret_bound", "rank_low", "rank_high"), 0.5)
    estimate = type("", (), {"mean": 0.5, "standard_error": 0.1})
    analysis: Any = type("", (), {"loss": lambda _self, _name: type("", (), {**values, "estimate": estimate})})()
    return _condition(study, analysis, name, runs)


# ---- plans -----------------------------------------------------------------------------------------------------------


def changed(**values: Any) -> Callable[[Path], None]:
    return lambda path: write(path, json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: write(path, "{"), "is damaged; start the study again, which writes it anew"),
        (lambda path: write(path, "[1]"), "is damaged; start"),
        (lambda path: write(path, "{}"), "is damaged: it does not say what to run; start"),
        (lambda path: write(path, None), "is damaged; start"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is damaged; start"),
        (lambda path: shutil.copy(path.with_name(f"{OTHER}.json"), path), f"is the plan of run {OTHER}; start"),
        (changed(name="../../x"), "is the plan of run ../../x; start"),
        (changed(role="boss"), "is damaged: it does not say what to run; start"),
        (changed(files=5), "is damaged: files is 5; start"),
        (changed(overrides=[1]), r"is damaged: overrides is \[1\]; start"),
    ],
)
def test_a_plan_that_is_damaged_or_of_another_run_starts_nothing(
    study: Study, spoil: Callable[[Path], None], told: str
) -> None:
    write_plan(study.output_dir, all_runs(study))
    path = study.output_dir / PLAN / f"{RUN}.json"
    spoil(path)
    with pytest.raises(UserError, match=f"{RUN}.json {told}"):
        read_plan(study.output_dir, RUN)
    if path.is_dir():
        with pytest.raises(UserError, match="is a folder, where the study writes down a run; move it away"):
            write_plan(study.output_dir, all_runs(study))
        path.rmdir()
    write_plan(study.output_dir, all_runs(study))
    assert read_plan(study.output_dir, RUN).name == RUN


def test_a_file_in_place_of_the_plans_is_named(study: Study) -> None:
    with pytest.raises(MissingFileError, match="does not exist; plan the study first"):
        read_plan(study.output_dir, RUN)
    (study.output_dir / PLAN).write_text("")
    with pytest.raises(UserError, match=f"{PLAN} is no folder, where the study writes down its runs; move it away"):
        write_plan(study.output_dir, all_runs(study))


# ---- a run without its record ----------------------------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
from scripts.studies.run_one import do_run
from scripts.studies.run_record import update_record
done = lambda folder, run, threads: update_record(folder, trained=True, score_labels=["prostate"])
sys.exit(do_run(Path(sys.argv[1]), sys.argv[2], 1, done))
"""


def test_scores_of_which_nothing_says_what_they_are_of_do_not_count_until_they_are_looked_through(study: Study) -> None:
    record = study.output_dir / RUN / RECORD
    before = json.loads(record.read_text())
    record.unlink()
    assert without_record(study.output_dir, all_runs(study)) == [RUN]
    assert not any((s.loss, s.repeat, s.fold) == ("ce", 1, 0) for s in study_record(study, "study.yaml", []).scores)
    write_plan(study.output_dir, all_runs(study))
    words = [sys.executable, "-c", PROGRAM, str(study.output_dir), RUN]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + (study.output_dir / RUN / "log.txt").read_text()
    after = json.loads(record.read_text())
    assert (after["trained"], after["condition"], after["overrides"]) == (True, "ce", before["overrides"])
    assert without_record(study.output_dir, all_runs(study)) == []
    assert (evaluation_folder(study.output_dir / RUN, "test") / SUMMARY).is_file()
