"""What is read from the runs of a study belongs together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import UserError
from scripts.studies import launch_local
from scripts.studies.collect import collect_scores
from scripts.studies.grid import PlannedRun
from scripts.studies.history import read_history
from scripts.studies.same_data import split_hashes
from scripts.studies.status import read_status
from tests.studies.tiny_study import tiny_study


def run_on(folder: Path, condition: str, split: str, data: str, repeat: int = 1, **overrides: Any) -> PlannedRun:
    """A planned run whose folder holds a split."""
    run = PlannedRun(f"{condition}-r{repeat}", condition, repeat, 0, "run", None, ("train.yaml",), overrides)
    (folder / run.name).mkdir()
    (folder / run.name / "split.json").write_text(json.dumps({"sha256": split, "fingerprint": data}))
    return run


def test_runs_of_equal_split_and_data_are_collected(tmp_path: Path) -> None:
    runs = [run_on(tmp_path, "ce", "s", "d"), run_on(tmp_path, "dfl", "s", "d", learning_rate=0.1)]
    runs += [run_on(tmp_path, "ce", "t", "d", repeat=2), run_on(tmp_path, "small", "s", "other", image_size=64)]
    assert split_hashes(tmp_path, runs) == {"repeat 1 fold 0": "s", "repeat 2 fold 0": "t"}


def test_runs_of_another_split_or_other_data_are_not_compared(tmp_path: Path) -> None:
    first = run_on(tmp_path, "ce", "s", "d")
    with pytest.raises(UserError, match="runs ce-r1 and dfl-r1 in .* had another split of the cases"):
        split_hashes(tmp_path, [first, run_on(tmp_path, "dfl", "t", "d")])
    with pytest.raises(UserError, match="runs ce-r1 and fl-r1 in .* had other data"):
        split_hashes(tmp_path, [first, run_on(tmp_path, "fl", "s", "e")])


HEAD = "case,patient,dice/prostate,hd95/prostate\n"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, "can't be read (FileNotFoundError)"),
        ("", "holds no case"),
        ("\xff\xfe", "can't be read (UnicodeDecodeError)"),
        (HEAD, "holds no case"),
        (HEAD + "a,p,0.5,3\nb,p,0", "a row has other columns than its head"),
        (HEAD + "a,p,0.5,3,9\n", "a row has other columns than its head"),
        ("a,p,0.5,3\nb,p,0.6,3\n", "a row has other columns than its head"),
        (HEAD + "a,p,0.5,3\na,p,0.6,3\n", "holds a case twice"),
        (HEAD + "a,p,x,3\n", "dice/prostate of case a is 'x'"),
        (HEAD + "a,p,5,3\n", "dice/prostate of case a is '5'"),
        (HEAD + "a,p,-0.1,3\n", "dice/prostate of case a is '-0.1'"),
        (HEAD + "a,p,0.5,x\n", "hd95/prostate of case a is 'x'"),
    ],
)
def test_a_damaged_table_of_scores_is_named_and_none_of_it_counts(tmp_path: Path, table: str | None, told: str) -> None:
    run = run_on(tmp_path, "ce", "s", "d")
    (tmp_path / run.name / "study_run.json").write_text(json.dumps({"score_labels": ["prostate"]}))
    path = tmp_path / run.name / "evaluation" / "test" / "per_case.csv"
    path.parent.mkdir(parents=True)
    path.write_text(HEAD + "a,p,0.5,3\nb,p,,inf\n")
    assert next(iter(collect_scores(tmp_path, [run], "dice"))).score == 0.5
    path.unlink() if table is None else path.write_bytes(table.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        collect_scores(tmp_path, [run], "dice")
    assert told in str(caught.value)
    assert f"{path}" in str(caught.value)


@pytest.mark.parametrize("content", ["", "[1]", "{}", "null", '[{"sha256": "a"}]'])
def test_damaged_records_of_a_study_are_named(tmp_path: Path, content: str) -> None:
    study = tiny_study(tmp_path)
    (run, *_) = study.conditions
    folder = study.output_dir / f"{run.name}-r1-f0"
    folder.mkdir(parents=True)
    planned = PlannedRun(folder.name, run.name, 1, 0, "run", None, ())
    for name, read in (
        ("study_run.json", lambda: read_status(study.output_dir, [planned])),
        ("split.json", lambda: split_hashes(study.output_dir, [planned])),
        ("../launches.json", lambda: read_history(study)),
    ):
        (folder / name).write_text(content)
        with pytest.raises(UserError, match="is damaged"):
            read()
        (folder / name).unlink()


def test_scores_that_were_copied_from_another_run_do_not_count(tmp_path: Path) -> None:
    run = run_on(tmp_path, "ce", "s", "d")
    folder = tmp_path / run.name
    (folder / "study_run.json").write_text(json.dumps(run.record()))
    summary = folder / "evaluation" / "test" / "summary.json"
    summary.parent.mkdir(parents=True)
    for said in ({}, {"run": run.name}):
        summary.write_text(json.dumps({"computed_with": said}))
        assert read_status(tmp_path, [run])[0].state == "done"
    summary.write_text(json.dumps({"computed_with": {"run": "dfl-r1"}}))
    with pytest.raises(UserError, match=r"test holds the scores of run dfl-r1; delete it, and ce-r1 is evaluated"):
        read_status(tmp_path, [run])


def test_jobs_share_the_cores_that_the_process_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ThreadsError(Exception):
        pass

    def pool(_study_dir: Path, _jobs: int, threads: int, *_: object) -> None:
        raise ThreadsError(threads)

    monkeypatch.setattr(launch_local.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(launch_local.os, "sched_getaffinity", lambda _process: {0, 3, 5, 7})
    monkeypatch.setattr(launch_local, "Pool", pool)
    run = PlannedRun("r", "ce", 1, 0, "run", None, ("train.yaml",))
    with pytest.raises(ThreadsError, match="^2$"):
        launch_local.run_locally(tmp_path, [run], 2, None)
