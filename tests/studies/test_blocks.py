"""What comes next in a study, from run folders that are written by hand."""

from __future__ import annotations

import json
import re
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.runs.run_files import JOURNAL, MODEL, PER_CASE, SUMMARY, evaluation_folder
from scripts.studies.assemble import study_record
from scripts.studies.blocks import all_runs, next_block, race_state
from scripts.studies.grid import PlannedRun, plan_pilot, plan_repeats, plan_tuning
from scripts.studies.plan_text import describe_plan
from scripts.studies.report.build import build_report
from scripts.studies.report.rates import rates_caution, rates_in_words
from scripts.studies.run_record import RECORD, write_failure
from scripts.studies.status import PART, read_status
from scripts.studies.study_file import Study
from scripts.studies.tuning import chosen_rates, tuning_trials
from tests.studies.tiny_study import tiny_study

CASES = [f"Case{index:02d}" for index in range(30)]
QUALITY = {"ce": 0.70, "fl": 0.80, "dfl": 0.801, "adfl": 0.802}


def finish(study: Study, run: PlannedRun, seconds: float = 3600.0, score: float | None = None) -> None:
    """Write what a finished run leaves."""
    folder = study.output_dir / run.name
    tables = evaluation_folder(folder, PART[run.role])
    tables.mkdir(parents=True)
    record = {**run.record(), "seconds": seconds, "score_labels": ["prostate"], "versions": "torch 9.9"}
    (folder / RECORD).write_text(json.dumps(record))
    rng = np.random.default_rng(run.repeat)
    dealt = rng.permutation(CASES)[run.fold :: study.num_folds]  # alike for every condition of a repeat
    if study.leaky:  # some images of each volume
        dealt = np.asarray(CASES)
    mean = QUALITY.get(run.condition, 0.8) if score is None else score
    noise = np.random.default_rng(abs(hash((run.repeat, run.fold))) % 1000).normal(0, 0.02, len(dealt))
    own = np.random.default_rng(zlib.crc32(run.name.encode())).normal(0, 0.001, len(dealt))
    rows = [f"{case},{case},{value:.6f}" for case, value in zip(dealt, mean + noise + own, strict=True)]
    (tables / PER_CASE).write_text("\n".join(["case,patient,dice/prostate", *rows, ""]))
    (tables / SUMMARY).write_text("{}")
    lines = [{"metrics": {"val/dice/mean": mean - 0.1}, "step": 4}, {"metrics": {"val/dice/mean": mean}, "step": 8}]
    (folder / JOURNAL).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def a_race(folder: Path, **changes: Any) -> Study:
    factors = {"loss": ["ce", "fl", "dfl", "adfl"]}
    return tiny_study(folder, factors=factors, repeats=None, folds=5, hours=1000, jobs=1, margin=0.01, **changes)


def test_a_race_times_a_pilot_then_runs_repeats_and_drops_what_can_not_win(tmp_path: Path) -> None:
    study = a_race(tmp_path)
    block, _ = next_block(study)
    assert block is not None
    assert block.runs == (plan_pilot(study),)
    finish(study, plan_pilot(study))
    for repeat in (1, 2):
        block, reason = next_block(study)
        assert block is not None
        assert block.runs == tuple(plan_repeats(study, [repeat]))
        assert f"repeat {repeat} of 4 conditions, 20.0 hours" in reason
        for run in block.runs:
            finish(study, run)
    state = race_state(study, {})
    assert state.repeats_done == 2
    assert state.race.looks[0].repeats == 2
    assert "ce" not in state.race.alive  # a tenth behind, with noise of a fiftieth
    block, _ = next_block(study)
    if block is not None:
        assert {run.condition for run in block.runs} == set(state.race.alive)
    record = study_record(study, "study.yaml", [])
    assert record.race is not None
    assert record.race.chosen in ("fl", "dfl", "adfl")


def test_a_repeat_is_begun_only_if_it_fits_into_the_budget(tmp_path: Path) -> None:
    study = a_race(tmp_path / "a")
    finish(study, plan_pilot(study))
    study = tiny_study(
        tmp_path / "a", factors={"loss": ["ce", "fl", "dfl", "adfl"]}, repeats=None, folds=5, hours=20, jobs=1
    )
    block, reason = next_block(study)  # one hour is used, a repeat takes 20
    assert block is None
    assert "one more repeat takes 20.0 hours and 19.0 are left" in reason
    finish(study, plan_repeats(study, [1])[0])  # begun already, by whatever: it is brought to its end
    block, _ = next_block(study)
    assert block is not None
    assert len(block.runs) == 19


def test_the_best_of_three_learning_rates_is_taken_for_each_condition_and_used_in_every_repeat(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, tune=True, repeats=2)
    block, _ = next_block(study)
    assert block is not None
    assert block.runs == tuple(plan_tuning(study))
    for run, score in zip(block.runs, (0.5, 0.6, 0.7, 0.8, 0.8, 0.1), strict=True):
        finish(study, run, score=score)
    trials = tuning_trials(study, study.output_dir)
    rates = {name: round(rate, 7) for name, rate in chosen_rates(trials).items()}
    assert rates == {"ce": 0.0015, "adfl": 0.0005}  # of two equal ones the default
    block, _ = next_block(study)
    assert block is not None
    assert {run.condition: run.overrides["learning_rate"] for run in block.runs} == pytest.approx(rates)
    assert {run.repeat for run in block.runs} == {1, 2}


def test_a_failed_run_is_tried_again_at_the_next_start_only(tmp_path: Path) -> None:
    study = tiny_study(tmp_path)
    runs = all_runs(study)
    for run in runs[1:]:
        finish(study, run)
    folder = study.output_dir / runs[0].name
    folder.mkdir()
    (folder / RECORD).write_text(json.dumps(runs[0].record()))
    write_failure(folder, "loss is not finite")
    assert [status.state for status in read_status(study.output_dir, runs)] == ["failed", *["done"] * 5]
    assert next_block(study, {runs[0].name}) == (None, "")
    block, _ = next_block(study)
    assert block is not None
    assert block.runs == (runs[0],)
    said = describe_plan(study)
    assert "5 done, 1 failed" in said
    assert "ce-r1-f0: loss is not finite" in said
    record = study_record(study, "study.yaml", [])
    assert [(failure.run, failure.last_line) for failure in record.failures] == [("ce-r1-f0", "loss is not finite")]


def test_what_levels_set_is_not_said_to_be_the_same_for_all(tmp_path: Path) -> None:
    levels = {"ce": "ce", "dfl": {"loss": "dfl", "learning_rate": 0.009, "max_epochs": 3}, "fl": "fl"}
    study = tiny_study(tmp_path, factors={"loss": levels}, tune=False)
    record = study_record(study, "study.yaml", [])
    assert record.settings["batch size"] == "4"
    assert record.settings["augmentation"] == "no"
    assert "learning rate" not in record.settings
    assert "epochs" not in record.settings
    epochs = str(study.settings["max_epochs"])
    assert record.differing["epochs"] == {"ce": epochs, "dfl": "3", "fl": epochs}
    assert rates_in_words(record) == "learning rates as given: 0.0005 for ce and fl, 0.009 for dfl"
    assert "0.0005 for ce and fl, 0.009 for dfl. The comparison is of losses at these rates" in rates_caution(record)
    assert "none: 0.0005 for ce and fl, 0.009 for dfl" in describe_plan(study)


def test_a_learning_rate_that_is_a_factor_is_not_said_to_be_one_for_all(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, factors={"loss": ["ce", "dfl"], "learning_rate": [0.001, 0.01]}, tune=False)
    record = study_record(study, "study.yaml", [])
    assert record.differing == {}
    assert rates_in_words(record) == "the learning rate is part of what is compared"


def test_one_learning_rate_for_all_is_said_to_favour_losses_with_larger_gradients(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, tune=False)
    assert "Equal rates favour losses with larger gradients" in rates_caution(study_record(study, "study.yaml", []))
    assert "none: equal learning rates favour losses with larger gradients" in describe_plan(study)


@pytest.mark.parametrize("repeats", [1, 2])
def test_volumes_whose_images_are_dealt_are_reported_by_what_each_run_tested(tmp_path: Path, repeats: int) -> None:
    folds = {"number": 4, "run": 4}
    factors = {"loss": ["ce", "adfl"]}
    study = tiny_study(tmp_path, factors=factors, repeats=repeats, folds=folds, protocol="random_images_leaky")
    for run in all_runs(study):
        finish(study, run)
    record = study_record(study, "study.yaml", [])
    assert len(record.scores) == 2 * 4 * repeats * len(CASES)
    assert {score.patient for score in record.scores} == set(CASES)
    assert "Case00 (images of repeat 1, fold 3)" in {score.case for score in record.scores}
    page = build_report(record, tmp_path / "report")
    said = (page.parent / "methods.txt").read_text()
    assert "30 patients" in said
    assert "Images of one patient lie in training and test parts" in said
    assert "images dealt at random, so that images of one patient are in training and test part" in said
    assert "new partition" not in said
    assert "parted by patient" not in page.read_text()
    assert "16 done" in describe_plan(study) if repeats == 2 else "8 done" in describe_plan(study)


def test_two_hundred_finished_runs_are_planned_and_collected_in_seconds(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, factors={"loss": list(QUALITY)}, repeats=10, folds=5)
    for run in all_runs(study):
        finish(study, run, seconds=60)
    start = time.process_time()
    assert "200 done" in describe_plan(study)
    record = study_record(study, "study.yaml", [])
    assert time.process_time() - start < 60  # two; the limit is for slow machines
    assert len(record.scores) == 4 * 10 * len(CASES)
    assert record.hours == pytest.approx(200 / 60)
    assert {len(curve.values) for curve in record.curves} == {2}
    assert record.segment_command == ""  # none of these runs has weights
    (study.output_dir / "adfl-r1-f0" / MODEL).write_bytes(b"")
    (study.output_dir / "dfl-r1-f0" / MODEL).write_bytes(b"")
    command = study_record(study, "study.yaml", []).segment_command
    assert command.startswith("python -m monai.bundle run --config_file configs/inference.yaml --run_name")


def test_a_plan_uses_the_noise_of_the_study_as_soon_as_two_repeats_tell_it(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, factors={"loss": ["fl", "dfl"]}, folds=3, repeats=3)
    runs = all_runs(study)
    for run in runs[:6]:
        finish(study, run)
    assert "at the usual sizes of noise" in describe_plan(study)
    for run in runs[6:12]:
        finish(study, run)
    (line,) = set(
        re.findall(
            r"a difference of (\S+) \(one pair alone\).*at the noise of the 12 finished runs", describe_plan(study)
        )
    )
    assert float(line) < 0.002  # a thousandth a run, in 30 patients; the usual noise would say .03


def test_scores_that_cannot_be_compared_leave_a_plan_with_the_usual_noise(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, factors={"loss": ["fl", "dfl"]}, folds=3, repeats=2)
    for run in all_runs(study):
        if run.condition == "fl":
            finish(study, run)
    assert "at the usual sizes of noise" in describe_plan(study)


def test_the_plan_says_which_data_and_whether_they_are_there(tmp_path: Path) -> None:
    assert "data         phantom: made-up volumes, a demonstration\n" in describe_plan(tiny_study(tmp_path))
    there = describe_plan(tiny_study(tmp_path, parts={"data": "nifti"}, dataset_dir=str(tmp_path)))
    assert f"data         nifti, in {tmp_path}\n" in there
    nowhere = describe_plan(tiny_study(tmp_path, parts={"data": "nifti"}, dataset_dir=str(tmp_path / "x")))
    assert f"data         nifti, in {tmp_path / 'x'}; {tmp_path / 'x'} is not there\n" in nowhere


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        ({"ce": [0.1, 0.7, 0.71, 0.7], "adfl": [0.1, 0.7, 0.6, 0.705]}, "enough by the validation of 2 conditions"),
        (
            {"ce": [0.1, 0.7, 0.71, 0.7], "adfl": [0.1, 0.5, 0.6, 0.7]},
            "too few for adfl: validation rises by more than",
        ),
        ({"ce": [0.7], "adfl": [0.1, 0.7]}, "can't be judged: it takes three validations a run"),
    ],
)
def test_the_plan_says_from_the_trials_whether_the_epochs_are_enough(
    tmp_path: Path, curves: dict[str, list[float]], said: str
) -> None:
    study = tiny_study(tmp_path, tune=True, settings={"learning_rate": 0.003})
    assert "epochs" not in describe_plan(study)
    for run in plan_tuning(study):
        finish(study, run)
        lower = 0.0 if run.name.endswith("default") else 0.1  # the best trial of a condition tells
        lines = [
            {
                "metrics": {
                    "val/dice/mean": value - lower,
                    "best/dice/prostate": 0.04 if run.condition == "ce" else 0.5,
                },
                "step": step,
            }
            for step, value in enumerate(curves[run.condition], 1)
        ]
        (study.output_dir / run.name / JOURNAL).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    plan = describe_plan(study)
    assert said in plan
    assert "ce lost a class in validation (Dice below 0.05)" in plan


def test_a_run_that_a_rule_ended_early_is_named(tmp_path: Path) -> None:
    study = tiny_study(tmp_path)
    runs = all_runs(study)
    for run in runs:
        finish(study, run)
    path = study.output_dir / runs[0].name / RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), "ended_early": "after 5 of 10 epochs"}))
    record = study_record(study, "study.yaml", [])
    assert [(end.run, end.loss, end.how) for end in record.early_ends] == [
        (runs[0].name, runs[0].condition, "after 5 of 10 epochs")
    ]
    assert {score.loss for score in record.scores} == {"ce", "adfl"}
    assert sum(score.loss == "ce" for score in record.scores) == 30  # it counts
