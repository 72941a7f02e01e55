"""Studies on Slurm: the script that is written, and a real Slurm of one node that runs it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from scripts.runs.run_files import LAST, PER_CASE, evaluation_folder
from scripts.runs.signals import EXIT_CODE
from scripts.studies.blocks import all_runs
from scripts.studies.grid import PlannedRun
from scripts.studies.launch_local import run_locally
from scripts.studies.run_record import BUSY, FAILED
from scripts.studies.slurm_script import FOLLOWED, follow, submit, write_array
from scripts.studies.status import read_status
from scripts.studies.study_file import Study
from tests.studies.one_node_slurm import (
    in_queue,
    let_go_on,
    missing_programs,
    one_node_slurm,
    restarts,
    set_time_limit,
    what_is,
)
from tests.studies.tiny_study import lend_data, make_tables, tiny_study
from tests.workflows import ROOT

PICTURES = "small"  # see tests/quicker.py

PATIENCE = 280  # seconds, for each thing that is waited for


def test_the_script_asks_for_what_the_study_file_says(tmp_path: Path) -> None:
    study = tiny_study(tmp_path)
    slurm = {
        "time": "04:00:00",
        "partition": "gpu",
        "gpus": 1,
        "cpus": 4,
        "at_once": 3,
        "lead": 90,
        "setup": "module x",
    }
    script = write_array(study.output_dir, all_runs(study), {**slurm, "options": ["--exclusive"]})
    text = script.read_text()
    for line in ("array=0-5%3", "time=04:00:00", "partition=gpu", "gres=gpu:1", "cpus-per-task=4", "signal=TERM@90"):
        assert f"#SBATCH --{line}\n" in text
    assert "#SBATCH --requeue\n" in text
    assert "#SBATCH --exclusive\n" in text
    assert "\nmodule x\nsrun " in text
    assert (script.with_suffix(".txt")).read_text().split() == [run.name for run in all_runs(study)]
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert write_array(study.output_dir, all_runs(study), slurm).name == "2.sh"


def test_without_slurm_the_user_is_told_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"sbatch is not on this machine; on the cluster, run: sbatch .*1\.sh"):
        submit(tmp_path / "1.sh")


@pytest.mark.parametrize(
    ("code", "again"), [(0, False), (1, False), (EXIT_CODE, True), (128 + signal.SIGTERM, True), (BUSY, True)]
)
def test_a_task_whose_run_is_not_over_is_requeued(tmp_path: Path, code: int, again: bool) -> None:
    study = tiny_study(tmp_path)
    script = write_array(study.output_dir, all_runs(study), {})
    for name, line in {"srun": f"exit {code}", "scontrol": f'echo "$@" > {tmp_path}/said'}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/bash\n{line}\n")
        program.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "2",
    }
    assert subprocess.run(["bash", str(script)], env=environment, check=False).returncode == code
    said = tmp_path / "said"
    assert said.is_file() == again
    if again:
        assert said.read_text() == "requeue 7_2\n"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of one Slurm for all tests of this module."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"no Slurm on this machine: {', '.join(missing)} not found (apt-get install slurm-wlm munge)")
    folder = tmp_path_factory.mktemp("slurm")
    with one_node_slurm(folder):
        yield folder


ONE_FOLD = {"number": 3, "run": 1}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of two runs that were never stopped."""
    folder = tmp_path_factory.mktemp("reference")
    make_tables(folder)
    study = tiny_study(folder, folds=ONE_FOLD)
    run_locally(study.output_dir, all_runs(study), 2, 1)
    return study


def held_study(reference: Study, folder: Path) -> tuple[Study, Path]:
    """The same study, not begun, and the file that its trainings wait for as long as it is there."""
    hold = folder / "hold"
    hold.touch()
    lend_data(reference.output_dir.parent, folder)
    return tiny_study(folder, folds=ONE_FOLD, hold=hold), hold


def tables(study: Study, runs: Sequence[PlannedRun]) -> list[bytes]:
    return [(evaluation_folder(study.output_dir / run.name, "test") / PER_CASE).read_bytes() for run in runs]


@pytest.mark.timeout(900)
def test_runs_whose_time_is_up_or_that_are_preempted_are_requeued_and_end_with_the_scores_of_runs_that_never_stopped(
    slurm: Path, reference: Study, tmp_path: Path
) -> None:
    study, hold = held_study(reference, tmp_path)
    runs, logs = all_runs(study), (slurm, study.output_dir)
    settings = {"cpus": 1, "time": "00:30:00", "partition": "low", "at_once": 2, "lead": 600}
    job = submit(write_array(study.output_dir, runs, settings))
    slow, preempted = f"{job}_0", f"{job}_1"
    _wait(lambda: all((study.output_dir / run.name / LAST).is_file() for run in runs), "every run keeps a state", logs)
    set_time_limit(slow, minutes=10)  # so that less than the lead is left
    _wait(lambda: restarts(slow) >= 1, "the task whose time is up is requeued", logs)
    assert restarts(preempted) == 0
    set_time_limit(slow, minutes=30)
    urgent = _submit_urgent_job(tmp_path)
    _wait(lambda: restarts(preempted) >= 1, "the preempted task is requeued", logs)
    _wait(lambda: not in_queue(urgent), "the urgent job ends", logs)
    assert not [run.name for run in runs if (study.output_dir / run.name / FAILED).exists()]
    hold.unlink()
    _end(study, runs, job, logs)
    assert tables(study, runs) == tables(reference, runs)


@pytest.mark.timeout(300)
def test_the_job_that_goes_on_with_a_study_starts_when_its_runs_have_ended(slurm: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.sh"
    first.write_text(f"#!/bin/bash\n#SBATCH --output={tmp_path}/first.out\nsleep 2\ntouch {tmp_path}/ended\nexit 1\n")
    (tmp_path / "slurm").mkdir()
    code = f"import os, pathlib; f = pathlib.Path({str(tmp_path)!r}); e = (f / 'ended').exists(); "
    code += f"(f / 'said').write_text(os.environ[{FOLLOWED!r}] + str(e) + os.getcwd())"
    job = submit(first)
    following = follow(tmp_path, job, {"cpus": 1, "time": "00:05:00"}, shlex.join(["python", "-c", code]))
    _wait(lambda: not in_queue(following), "the following job ends", (slurm, tmp_path))
    assert (tmp_path / "said").read_text() == f"1True{ROOT}"  # also though the first one failed


def _submit_urgent_job(folder: Path) -> str:
    """A job that needs the whole node now."""
    words = ["sbatch", "--parsable", "--partition=high", "--exclusive", "--wrap", "true", f"--output={folder}/urgent"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def _end(study: Study, runs: Sequence[PlannedRun], job: str, logs: tuple[Path, Path]) -> None:
    """Wait until all runs are done."""

    def all_done() -> bool:
        for task in range(len(runs)):
            let_go_on(f"{job}_{task}")
        return all(status.state == "done" for status in read_status(study.output_dir, runs))

    _wait(all_done, "the requeued tasks end", logs)
    _wait(lambda: not in_queue(job), "the job leaves the queue", logs)


def _wait(true: Callable[[], bool], what: str, logs: tuple[Path, Path]) -> None:
    """Wait until something is true; else fail with what Slurm and the runs have said."""
    slurm, study = logs
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            texts = [path for pattern in ("slurm/*.out", "*/log.txt") for path in sorted(study.glob(pattern))]
            said = "\n".join(f"{path}:\n{path.read_text(errors='replace')[-2000:]}" for path in texts)
            pytest.fail(f"in vain waited until {what}\n{what_is(slurm)}\n{said}")
        time.sleep(0.5)
