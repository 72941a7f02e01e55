"""Finished runs in two small files, and the study that goes on from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.studies.assemble import study_record
from scripts.studies.blocks import all_runs, next_block
from scripts.studies.grid import plan_tuning
from scripts.studies.history import record_launch
from scripts.studies.run_record import RECORD, write_failure
from scripts.studies.saved_runs import CASES, RUNS, restore_runs, save_runs
from scripts.studies.status import read_status
from scripts.studies.study_file import Study
from tests.studies.test_blocks import finish
from tests.studies.tiny_study import tiny_study


def half_done(folder: Path, **changes: Any) -> Study:
    """A tuned study of two losses whose trials and first five runs are done."""
    study = tiny_study(folder, tune=True, repeats=2, settings={"learning_rate": 0.003}, **changes)
    for number, run in enumerate(plan_tuning(study)):
        finish(study, run, score=0.8 + 0.01 * number)
    for run in [run for run in all_runs(study) if run.role == "run"][:5]:
        finish(study, run)
    record_launch(study)
    return study


def elsewhere(study: Study, folder: Path) -> Study:
    return replace(study, output_dir=folder)


def test_a_study_goes_on_elsewhere_from_its_saved_runs_with_the_same_report(tmp_path: Path) -> None:
    study = half_done(tmp_path / "here")
    assert save_runs(study, tmp_path / "saved") == 11
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {CASES, RUNS}
    assert str(tmp_path) not in json.dumps(json.loads((tmp_path / "saved" / RUNS).read_text())["runs"])
    other = elsewhere(study, tmp_path / "there")
    assert restore_runs(other, tmp_path / "saved") == 11
    assert [(s.run.name, s.state, s.seconds) for s in read_status(other.output_dir, all_runs(other))] == [
        (s.run.name, s.state, s.seconds) for s in read_status(study.output_dir, all_runs(study))
    ]
    here, there = (study_record(one, "study.yaml", []) for one in (study, other))
    assert (here.provenance.restored_runs, there.provenance.restored_runs) == (
        "",
        "5 of 5 finished runs, without their networks",
    )
    assert replace(there, provenance=here.provenance) == here
    assert there.provenance.versions == here.provenance.versions == {"torch": "9.9"}
    assert len(here.scores) == 5 * 10
    blocks = [next_block(one)[0] for one in (study, other)]
    assert blocks[0] is not None
    assert blocks[1] is not None
    assert [run.name for run in blocks[1].runs] == [run.name for run in blocks[0].runs]
    assert save_runs(other, tmp_path / "again") == 11
    for name in (CASES, RUNS):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "saved" / name).read_bytes()


def test_a_score_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    study = half_done(tmp_path / "here")
    save_runs(study, tmp_path / "saved")
    cases = tmp_path / "saved" / CASES
    lines = cases.read_text().splitlines(keepends=True)
    cases.write_text("".join([*lines[:-1], "".join([lines[-1].strip(), "1\n"])]))
    with pytest.raises(ValueError, match=r"cases.csv was changed after runs.json beside it was written"):
        restore_runs(elsewhere(study, tmp_path / "there"), tmp_path / "saved")


def test_runs_that_are_there_are_left_as_they_are_and_the_others_restored(tmp_path: Path) -> None:
    study = half_done(tmp_path / "here")
    save_runs(study, tmp_path / "saved")
    mark = study.output_dir / "ce-r1-f0" / "mark"
    mark.touch()
    shutil.rmtree(study.output_dir / "adfl-r1-f0")
    assert restore_runs(study, tmp_path / "saved") == 1
    assert mark.is_file()
    (tmp_path / "saved" / CASES).write_text("half written")  # nothing is wanted of it: every folder is there
    assert restore_runs(study, tmp_path / "saved") == 0


def test_saved_runs_of_other_settings_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    save_runs(half_done(tmp_path / "here"), tmp_path / "saved")
    other = tiny_study(tmp_path / "there", tune=True, repeats=2, settings={"learning_rate": 0.003, "batch_size": 3})
    message = r"made with batch_size None and the study now says 3: .* or name another folder than .* with --saved_runs"
    with pytest.raises(ValueError, match=message):
        restore_runs(other, tmp_path / "saved")
    assert not other.output_dir.exists()


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    study = half_done(tmp_path / "here")
    save_runs(study, tmp_path / "saved")
    cases = tmp_path / "saved" / CASES
    cases.write_text("".join(cases.read_text().splitlines(keepends=True)[:-1]))
    other = elsewhere(study, tmp_path / "there")
    with pytest.raises(ValueError, match=r"cases.csv has 9 cases of run .* and runs.json beside it says 10"):
        restore_runs(other, tmp_path / "saved")
    (tmp_path / "saved" / RUNS).write_text("{}")
    with pytest.raises(ValueError, match="is not what a study saves of its runs"):
        restore_runs(other, tmp_path / "saved")
    assert not other.output_dir.exists()


def test_a_run_name_that_the_study_does_not_have_is_not_written(tmp_path: Path) -> None:
    study = half_done(tmp_path / "here")
    save_runs(study, tmp_path / "saved")
    content = json.loads((tmp_path / "saved" / RUNS).read_text())
    content["runs"].append({**content["runs"][0], "name": "../outside"})
    (tmp_path / "saved" / RUNS).write_text(json.dumps(content))
    assert restore_runs(elsewhere(study, tmp_path / "there"), tmp_path / "saved") == 11
    assert not (tmp_path / "outside").exists()


def test_a_run_that_failed_is_named_by_a_reader_of_the_saved_runs_alone_and_tried_again(tmp_path: Path) -> None:
    study = half_done(tmp_path / "here")
    failed = next(run for run in all_runs(study) if run.role == "run" and not (study.output_dir / run.name).exists())
    (study.output_dir / failed.name).mkdir()
    record = {**failed.record(), "seconds": 60.0}
    (study.output_dir / failed.name / RECORD).write_text(json.dumps(record))
    write_failure(study.output_dir / failed.name, "/home/somebody/data/Case07.mhd can't be read")
    save_runs(study, tmp_path / "saved")
    other = elsewhere(study, tmp_path / "there")
    assert restore_runs(other, tmp_path / "saved") == 11
    (failure,) = study_record(other, "study.yaml", []).failures
    assert (failure.run, failure.last_line) == (failed.name, "Case07.mhd can't be read")
    assert "somebody" not in (tmp_path / "saved" / RUNS).read_text()
    block, _ = next_block(other)
    assert block is not None
    assert failed.name in [run.name for run in block.runs]
    assert restore_runs(other, tmp_path / "saved") == 0
    save_runs(other, tmp_path / "again")
    assert (tmp_path / "again" / RUNS).read_bytes() == (tmp_path / "saved" / RUNS).read_bytes()


def changed(**values: Any) -> Callable[[dict[str, Any]], None]:
    """Change values of the whole; ``...`` takes one away."""

    def change(content: dict[str, Any]) -> None:
        for key, value in values.items():
            content.pop(key) if value is ... else content.update({key: value})

    return change


def of_a_run(**values: Any) -> Callable[[dict[str, Any]], None]:
    """The same of the first run that was tested."""
    return lambda content: changed(**values)(next(run for run in content["runs"] if run["role"] == "run"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed(launches=5), "launches is 5"),
        (changed(launches=[5]), r"launches is \[5\]"),
        (changed(patients=[1]), r"patients is \[1\]"),
        (changed(patients={"a": 5}), "patients is "),
        (changed(cases_sha256=...), "cases_sha256 is None"),
        (changed(runs=None), "runs is None"),
        (changed(runs={"a": 1}), "runs is "),
        (changed(runs=[5]), "runs is "),
        (changed(runs=[{}]), "the name of a run is None"),
        (lambda content: content["runs"].append(content["runs"][0]), "run .* is in it twice"),
        (changed(failed=5), "failed is 5"),
        (changed(failed=[{"name": "x"}]), "run x has no condition"),
        *(
            (of_a_run(**{key: ...}), f"run ce-r1-f0 has no {key}")
            for key in ("condition", "learning_rate", "split", "validation", "class_weights", "cases", "score_labels")
        ),
        *(
            (of_a_run(**{key: value}), f"{key} of run ce-r1-f0 is ")
            for key, value in (
                ("cases", "10"), ("seconds", -1), ("score_labels", "prostate"), ("validation", "x"),
                ("validation", ["x"]), ("validation", [17.0]), ("validation", [None]), ("class_weights", [1]),
                ("class_weights", {"a": ["x"]}),
                ("split", [1]), ("split", {"sha256": "a"}), ("split", {"sha256": 5, "fingerprint": 6}), ("files", 5),
                ("overrides", [1]), ("versions", "torch"), ("learning_rate", "x"),
            )
        ),
    ],
)  # fmt: skip
def test_a_value_that_no_study_saves_is_named_before_anything_is_written(
    saved: tuple[Study, Path], tmp_path: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    study, folder = saved
    shutil.copytree(folder, tmp_path / "saved")
    content = json.loads((folder / RUNS).read_text())
    change(content)
    (tmp_path / "saved" / RUNS).write_text(json.dumps(content))
    other = elsewhere(study, tmp_path / "there")
    with pytest.raises(ValueError, match=rf"{RUNS} is damaged: {told}.*; take both files from the same place again"):
        restore_runs(other, tmp_path / "saved")
    assert not other.output_dir.exists()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_files_that_can_t_be_read_are_named(saved: tuple[Study, Path], tmp_path: Path, content: bytes | None) -> None:
    study, folder = saved
    for file in (CASES, RUNS):
        shutil.copytree(folder, tmp_path / file)
        path = tmp_path / file / file
        path.unlink()
        path.mkdir() if content is None else path.write_bytes(content)
        with pytest.raises(
            ValueError, match=f"{file} (can't be read|is damaged).*; take both files from the same place"
        ):
            restore_runs(elsewhere(study, tmp_path / "there"), tmp_path / file)
    assert not (tmp_path / "there").exists()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    folder = tmp_path_factory.mktemp("saved")
    study = half_done(folder / "here")
    save_runs(study, folder / "saved")
    return study, folder / "saved"
