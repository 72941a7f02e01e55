"""An array script for Slurm: one task per run, requeued until the run is done."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..configuration.reading import BASE_CONFIG
from ..errors import UserError
from ..runs.signals import EXIT_CODE
from ..storage.atomic_files import write_text
from .grid import PlannedRun
from .run_record import BUSY, write_plan
from .slurm_settings import SETTINGS

FOLDER = "slurm"
FOLLOWED = "ADFL_STUDY_FOLLOWED"  # set where Slurm, not a person, goes on with a study

# Exit codes of a run that is not over.
REQUEUED = {
    EXIT_CODE: "asked to stop, its state is saved",
    128 + signal.SIGTERM: "asked to stop before it could say so, while it was importing",
    BUSY: "its process before, or another starter, still has it",
}
AGAIN = 'scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"'


def write_array(study_dir: Path, runs: Sequence[PlannedRun], slurm: Mapping[str, Any]) -> Path:
    """Write the list of runs and the script that does them.

    Args:
        study_dir: folder of the study.
        runs: what to do.
        slurm: settings, see ``SETTINGS``.

    Returns:
        The script; ``sbatch SCRIPT`` starts it.
    """
    settings = {**SETTINGS, **slurm}
    write_plan(study_dir, list(runs))
    folder = study_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(path.stem) for path in folder.glob("*.sh") if path.stem.isdigit()), default=0)
    names = folder / f"{number}.txt"
    write_text(names, "".join(f"{run.name}\n" for run in runs))
    script = folder / f"{number}.sh"
    write_text(script, _script(study_dir, names, len(runs), settings))
    return script


def submit(script: Path) -> str:
    """Hand a script to Slurm; returns the job's number.

    Raises:
        UserError: ``sbatch`` is not there or refuses.
    """
    return _sbatch([], script)


def follow(study_dir: Path, job: str, slurm: Mapping[str, Any], command: str) -> str:
    """Hand over a job that repeats the study's command when another has ended; returns its number.

    It leaves alone what has failed, so that a study whose runs all fail comes to an end.
    """
    settings = {**SETTINGS, **slurm}
    script = study_dir / FOLDER / "follow.sh"
    words = [sys.executable, *shlex.split(command)[1:]]
    lines = [
        "#!/bin/bash",
        *_options({**_common(settings), "job-name": f"{study_dir.name}-next", "output": script.with_suffix(".out")}),
        "#SBATCH --open-mode=append",
        f"cd {shlex.quote(str(BASE_CONFIG.parents[1]))} || exit 1",
        *([str(settings["setup"])] if settings["setup"] else []),
        f"export {FOLLOWED}=1",
        shlex.join(words),
    ]
    write_text(script, "\n".join([*lines, ""]))
    return _sbatch([f"--dependency=afterany:{job}"], script)


def _sbatch(options: Sequence[str], script: Path) -> str:
    command = ["sbatch", "--parsable", *options, str(script)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError(f"sbatch is not on this machine; on the cluster, run: sbatch {script}") from None
    if answer.returncode != 0:
        raise UserError(f"sbatch refuses {script}: {' '.join(answer.stderr.split())}")
    return answer.stdout.strip().split(";")[0]


def command_line(study_dir: Path, name: str) -> str:
    """One line that does a run, whatever starts it."""
    words = [sys.executable, "-m", "scripts.studies.run_one", str(study_dir), name]
    return f"cd {shlex.quote(str(BASE_CONFIG.parents[1]))} && {shlex.join(words)}"


def write_commands(study_dir: Path, runs: Sequence[PlannedRun], path: Path) -> None:
    """Write one line per run, for GNU parallel, PBS, LSF or a cloud's batch service."""
    write_plan(study_dir, list(runs))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(f"{command_line(study_dir, run.name)}\n" for run in runs))


def _script(study_dir: Path, names: Path, tasks: int, settings: Mapping[str, Any]) -> str:
    options = {
        **_common(settings),
        "job-name": study_dir.name,
        "array": f"0-{tasks - 1}%{settings['at_once']}",
        "gres": f"gpu:{settings['gpus']}" if settings["gpus"] else None,
        "signal": f"TERM@{settings['lead']}",
        "output": names.with_name(f"{names.stem}_%a.out"),
        "open-mode": "append",
    }
    lines = ["#!/bin/bash", *_options(options)]
    lines += ["#SBATCH --requeue", *(f"#SBATCH {option}" for option in settings["options"])]
    root = shlex.quote(str(BASE_CONFIG.parents[1]))
    run = shlex.join([sys.executable, "-m", "scripts.studies.run_one", str(study_dir), str(names)])
    threads = f'--threads "${{SLURM_CPUS_PER_TASK:-{settings["cpus"]}}}"'
    lines += [
        "# A task is a run: when the time is up or it is preempted it saves its state and is requeued.",
        f"cd {root} || exit 1",
        'export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}" OMP_WAIT_POLICY=PASSIVE',
        *([str(settings["setup"])] if settings["setup"] else []),
        f'srun {run} --line "$SLURM_ARRAY_TASK_ID" {threads}',
        "code=$?",
        'case "$code" in',
        *(f"  {code}) " + AGAIN + f" ;;  # {why}" for code, why in REQUEUED.items()),
        "esac",
        'exit "$code"',
    ]
    return "\n".join([*lines, ""])


def _common(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "time": settings["time"],
        "partition": settings["partition"],
        "account": settings["account"],
        "cpus-per-task": settings["cpus"],
        "mem": settings["memory"],
    }


def _options(options: Mapping[str, Any]) -> list[str]:
    return [f"#SBATCH --{key}={value}" for key, value in options.items() if value is not None]
