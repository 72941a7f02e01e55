"""Whole studies in very small: they run, go on, survive kills and report."""

from __future__ import annotations

import contextlib
import json
import multiprocessing.process
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.errors import UserError
from scripts.runs.checkpoint import load
from scripts.runs.run_files import LAST, MODEL, PER_CASE, evaluation_folder
from scripts.runs.signals import EXIT_CODE
from scripts.studies.blocks import all_runs, next_block
from scripts.studies.grid import PlannedRun
from scripts.studies.launch_local import Pool, run_locally
from scripts.studies.run_record import LOG, write_plan
from scripts.studies.status import read_status
from scripts.studies.study_file import Study
from tests.processes import SECONDS
from tests.studies.tiny_study import command, lend_data, make_tables, tiny_config, tiny_study
from tests.workflows import ROOT, run_workflow

PICTURES = "small"  # see tests/quicker.py


def files_below(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study; beside it lies what the bundle's own weights were before."""
    folder = tmp_path_factory.mktemp("done")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    (folder / "models_before.json").write_text(json.dumps(files_below(ROOT / "models")))
    make_tables(folder)
    command(tiny_config(folder), "studying", folder)
    return folder


def states(study: Study) -> list[str]:
    return [status.state for status in read_status(study.output_dir, all_runs(study))]


def scores(study: Study, run: PlannedRun) -> bytes:
    return (evaluation_folder(study.output_dir / run.name, "test") / PER_CASE).read_bytes()


def test_a_study_is_trained_scored_and_reported_and_leaves_the_bundles_own_weights_alone(done: Path) -> None:
    study = tiny_study(done)
    assert states(study) == ["done"] * 6
    assert next_block(study) == (None, "")
    tested = [line.split(",")[0] for run in all_runs(study) for line in scores(study, run).decode().split("\n")[1:-1]]
    assert sorted(tested) == sorted(2 * [f"Case{index:02d}" for index in range(6)])
    page = (done / "study" / "report" / "report.html").read_text()
    assert all(word in page for word in ("adfl", "ce", "configs/inference.yaml", study.sha256))
    assert page.count("data:image/jpeg") == 3  # the best, the median and the worst case
    assert len(list((done / "study" / "prepared").glob("phantom-*"))) == 1
    assert files_below(ROOT / "models") == json.loads((done / "models_before.json").read_text())


def test_the_same_command_does_nothing_again_and_reports(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tiny_study(done)
    before = {run.name: files_below(study.output_dir / run.name) for run in all_runs(study)}
    command(tiny_config(done), "studying", done)
    assert {run.name: files_below(study.output_dir / run.name) for run in all_runs(study)} == before
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert "adfl" in last
    assert last.endswith(f"Report: {study.output_dir / 'report' / 'report.html'}")


def test_a_run_of_a_study_is_the_training_that_its_configuration_describes(done: Path, tmp_path: Path) -> None:
    study = tiny_study(done)
    run = all_runs(study)[1]
    (tmp_path / "prepared").symlink_to(done / "study" / "prepared")  # preparing and MLflow's tables take longer than it
    (tmp_path / "data").symlink_to(done / "study" / "data")
    shutil.copy(done / "study" / "mlflow.db", tmp_path)
    names = [Path(file).name if "network" not in file else file for file in run.files]
    overrides = {**run.overrides, "output_dir": str(tmp_path)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the study's runs: numbers depend on it in their last bits
    try:
        run_workflow(*names, **overrides)
    finally:
        torch.set_num_threads(threads)
    assert (tmp_path / run.name / MODEL).read_bytes() == (study.output_dir / run.name / MODEL).read_bytes()


@contextlib.contextmanager
def begun(study: Study, run: PlannedRun, kept: str) -> Iterator[multiprocessing.process.BaseProcess]:
    """The process of a run, as the local launcher starts it, once it has written a file of its run folder."""
    write_plan(study.output_dir, [run])
    with Pool(study.output_dir, 1, 1) as pool:
        pool.start(run)
        (process,) = pool.running
        while not (study.output_dir / run.name / kept).is_file():
            assert process.is_alive(), "it ended before it could be stopped"
            time.sleep(0.005)
        yield process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_scores(
    done: Path, tmp_path: Path, number: signal.Signals
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    reference, study = tiny_study(done), tiny_study(tmp_path, hold=hold)
    lend_data(done, tmp_path)
    run = all_runs(study)[1]
    with begun(study, run, LAST) as process:
        assert read_status(study.output_dir, [run])[0].state == "running"
        os.kill(int(process.pid or 0), number)
        process.join(SECONDS)
        assert process.exitcode == (EXIT_CODE if number == signal.SIGTERM else -signal.SIGKILL)
    assert read_status(study.output_dir, [run])[0].state == "stopped"
    hold.unlink()
    run_locally(study.output_dir, [run], 1, 1)
    assert read_status(study.output_dir, [run])[0].state == "done"
    assert scores(study, run) == scores(reference, run)
    twins = [load(each.output_dir / run.name / MODEL) for each in (study, reference)]
    torch.testing.assert_close(*twins, rtol=0, atol=0)


def test_two_starters_do_each_run_once(done: Path, tmp_path: Path) -> None:
    study = tiny_study(tmp_path, folds={"number": 3, "run": 1})
    lend_data(done, tmp_path)
    runs = all_runs(study)
    with begun(study, runs[0], LOG) as process:
        run_locally(study.output_dir, runs, 2, 1)  # waits for the run that another has
        process.join(SECONDS)
        assert process.exitcode == 0
    assert states(study) == ["done", "done"]


def test_a_run_that_fails_is_named_with_its_last_line_and_stops_no_other(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    factors = {"loss": {"good": "ce", "bad": {"loss": "ce", "learning_rate": 1e30}}}
    config = tiny_config(tmp_path, factors=factors, folds={"number": 3, "run": 1})
    study = tiny_study(tmp_path, factors=factors, folds={"number": 3, "run": 1})
    lend_data(done, tmp_path)
    run_locally(study.output_dir, all_runs(study), 2, 1)
    good, bad = read_status(study.output_dir, all_runs(study))
    assert (good.state, bad.state) == ("done", "failed")
    assert "not finite" in bad.last_line
    command(config, "planning", tmp_path)
    said = capsys.readouterr().out
    assert "1 done, 1 failed" in said
    assert f"bad-r1-f0: {bad.last_line}" in said


def test_a_changed_study_is_recorded_and_runs_of_other_settings_are_refused(done: Path, tmp_path: Path) -> None:
    command(tiny_config(done, margin=0.02), "reporting", done)
    assert "margin: 0.01 became 0.02" in (done / "study" / "report" / "report.html").read_text()
    settings: dict[str, Any] = {**tiny_config(done)["settings"], "batch_size": 2}
    with pytest.raises(ValueError, match="run ce-r1-f0 was made with batch_size None and the study now says 2"):
        command(tiny_config(done, settings=settings), "studying", done)


def test_a_condition_that_can_not_be_trained_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="condition ce can't be trained: num_folds must be 3 to 6"):
        command(tiny_config(tmp_path, folds=7), "studying", tmp_path)
    assert not list((tmp_path / "study").glob("*-r1-*"))
    assert not (tmp_path / "study" / "launches.json").exists()


def test_a_study_goes_on_with_no_data_but_those_of_its_finished_runs(done: Path, tmp_path: Path) -> None:
    lend_data(done, tmp_path)
    study = tiny_study(tmp_path)
    first, *others = all_runs(study)
    shutil.copytree(done / "study" / first.name, study.output_dir / first.name)
    path = study.output_dir / first.name / "split.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "0" * 64}))
    with pytest.raises(ValueError, match=f"run {first.name} in .* had other data than there are now"):
        command(tiny_config(tmp_path), "studying", tmp_path)
    assert not [run.name for run in others if (study.output_dir / run.name).exists()]


def test_a_plan_refuses_what_studying_refuses_before_any_data_are_there(tmp_path: Path) -> None:
    settings: dict[str, Any] = {**tiny_config(tmp_path)["settings"], "max_epochs": -3}
    for name in ("planning", "studying"):
        with pytest.raises(ValueError, match="condition ce can't be trained: max_epochs"):
            command(tiny_config(tmp_path, settings=settings), name, tmp_path)
    assert not (tmp_path / "study").exists()


def test_a_study_s_place_that_can_t_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("planning", "studying", "reporting"):
        with pytest.raises(ValueError, match=f"output_dir {tmp_path}/file can't be made: .* is a file"):
            command(tiny_config(tmp_path, output_dir=str(tmp_path / "file")), name, tmp_path)


def test_the_link_into_mlflow_comes_with_the_command_that_shows_it(
    done: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    capsys.readouterr()
    command(tiny_config(done), "reporting", done)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Conditions and runs")]
    shown = re.search(r"\((make ui RUNS=.*)\): http", line)
    assert shown is not None
    assert (Path(shlex.split(shown[1])[2].removeprefix("RUNS=")) / "mlflow.db").is_file()


def test_a_report_before_two_conditions_have_run_says_how_to_go_on(done: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run of the study is done yet in .*'run studying' goes on"):
        command(tiny_config(tmp_path), "reporting", tmp_path)
    study = tiny_study(tmp_path)
    first = all_runs(study)[0]
    shutil.copytree(done / "study" / first.name, study.output_dir / first.name)
    with pytest.raises(UserError, match=f"only runs of {first.condition} are done yet in "):
        command(tiny_config(tmp_path), "reporting", tmp_path)
    assert not (tmp_path / "study" / "report").exists()


def test_commands_for_another_scheduler_are_written_one_a_run(done: Path, tmp_path: Path) -> None:
    path = tmp_path / "commands.txt"
    lend_data(done, tmp_path)
    command(tiny_config(tmp_path), "planning", tmp_path, commands=str(path))
    lines = path.read_text().splitlines()
    assert len(lines) == 6
    subprocess.run(["bash", "-c", lines[0]], check=True)
    assert states(tiny_study(tmp_path)) == ["done", *["missing"] * 5]
