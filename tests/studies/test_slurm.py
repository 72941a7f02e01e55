"""Studies on Slurm: the script that is written, and a real Slurm of one node that runs it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.runs.run_files import LAST, PER_CASE, evaluation_folder
from scripts.studies.blocks import all_runs
from scripts.studies.launch_local import run_locally
from scripts.studies.slurm_script import submit, write_array
from scripts.studies.status import read_status
from tests.studies.one_node_slurm import in_queue, missing_programs, one_node_slurm, restarts, start_now, what_is
from tests.studies.tiny_study import lend_data, tiny_study

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


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[None]:
    missing = missing_programs()
    if missing:
        pytest.skip(f"no Slurm on this machine: {', '.join(missing)} not found (apt-get install slurm-wlm munge)")
    with one_node_slurm(tmp_path / "slurm"):
        yield


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("slurm")
def test_preempted_runs_are_requeued_go_on_and_end_with_the_scores_of_runs_that_never_stopped(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    changes = {"folds": {"number": 3, "run": 1}, "hold": hold}
    study = tiny_study(tmp_path / "preempted", **changes)
    runs = all_runs(study)
    job = submit(write_array(study.output_dir, runs, {"cpus": 1, "time": "00:10:00", "partition": "low", "at_once": 2}))
    logs = [tmp_path / "slurm", study.output_dir]
    _wait(lambda: all((study.output_dir / run.name / LAST).is_file() for run in runs), "every run keeps a state", logs)
    _submit_urgent_job(tmp_path)
    _wait(lambda: restarts(job) >= 1, "the preempted tasks are requeued", logs)
    hold.unlink()

    def all_done() -> bool:
        for task in range(len(runs)):
            start_now(f"{job}_{task}")
        return all(status.state == "done" for status in read_status(study.output_dir, runs))

    _wait(all_done, "the requeued tasks end", logs)
    _wait(lambda: not in_queue(job), "the job leaves the queue", logs)
    twin = tiny_study(tmp_path / "twin", **changes)
    lend_data(tmp_path / "preempted", tmp_path / "twin")
    run_locally(twin.output_dir, all_runs(twin), 2, 1)
    for run in runs:
        files = [evaluation_folder(one.output_dir / run.name, "test") / PER_CASE for one in (study, twin)]
        assert files[0].read_bytes() == files[1].read_bytes()


def _submit_urgent_job(folder: Path) -> None:
    """A job that needs the whole node now."""
    words = ["sbatch", "--parsable", "--partition=high", "--exclusive", "--wrap", "true", f"--output={folder}/urgent"]
    subprocess.run(words, check=True, capture_output=True)


def _wait(true: Callable[[], bool], what: str, logs: list[Path]) -> None:
    slurm, study = logs
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            texts = [path for pattern in ("slurm/*.out", "*/log.txt") for path in sorted(study.glob(pattern))]
            said = "\n".join(f"{path}:\n{path.read_text(errors='replace')[-2000:]}" for path in texts)
            pytest.fail(f"in vain waited until {what}\n{what_is(slurm)}\n{said}")
        time.sleep(0.2)
