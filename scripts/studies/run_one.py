"""One run of a study, in a process of its own: training, then evaluation.

    python -m scripts.studies.run_one STUDY_FOLDER RUN

It ends with 0 when the run is trained and scored, 75 when it was asked to stop and can go on, 73 when another process
has the run, 1 when it failed. Started again, it goes on where the run is.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from monai.bundle import ConfigWorkflow

from ..configuration.error_report import causes, user_message
from ..configuration.reading import BASE_CONFIG
from ..errors import UserError
from ..runs.lock import lock_run
from ..runs.signals import EXIT_CODE, Stopped
from .grid import PlannedRun
from .run_record import BUSY, FAILED, LOG, read_plan, read_record, update_record, write_failure
from .status import PART, is_done, refuse_other_run

EVALUATE = str(BASE_CONFIG.with_name("evaluate.yaml"))


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, do the run, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.studies.run_one", description="Do one run of a study.")
    parser.add_argument("study_dir", type=Path, help="folder of the study")
    parser.add_argument("run", help="name of the run, or of a file with a name a line where --line is given")
    parser.add_argument("--line", type=int, help="which line of the file, from 0")
    parser.add_argument("--threads", type=int, help="threads of the run")
    given = parser.parse_args(arguments)
    name = given.run if given.line is None else Path(given.run).read_text(encoding="utf-8").split()[given.line]
    return do_run(given.study_dir.resolve(), name, given.threads)


def do_run(
    study_dir: Path,
    name: str,
    threads: int | None = None,
    train_and_score: Callable[[Path, PlannedRun, int | None], None] | None = None,
) -> int:
    """Train and score a run; what it says goes to ``log.txt`` in its folder. Returns the exit code.

    Args:
        study_dir: folder of the study.
        name: of the run.
        threads: of the run; None: as many as torch takes.
        train_and_score: what is done in the run's folder; by default this bundle's training and evaluation.
    """
    signal.signal(signal.SIGTERM, _stop)
    try:
        run = read_plan(study_dir, name)
        folder = study_dir / run.name
        folder.mkdir(parents=True, exist_ok=True)
        if not _take(folder):
            return BUSY
        _log_to(folder / LOG)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    started = time.monotonic()
    try:
        known = _begin(folder, run)
        if not known or not is_done(folder, run.role):  # what nothing is known of is looked through by its training
            (train_and_score or _train_and_score)(folder, run, threads)
        return 0
    except Stopped:
        return EXIT_CODE
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        traceback.print_exc()
        cause = causes(error)[-1]  # what MONAI has wrapped it in says no more than which key it was
        write_failure(folder, user_message(error) or f"{type(cause).__name__}: {_first_line(cause)}")
        return 1
    finally:
        _add_seconds(folder, time.monotonic() - started)
        sys.stdout.flush()
        sys.stderr.flush()


def _add_seconds(folder: Path, seconds: float) -> None:
    record = read_record(folder)
    if record is not None:
        update_record(folder, seconds=round(float(record.get("seconds", 0.0)) + seconds, 1))


def _take(folder: Path) -> bool:
    """Take the run's folder; whoever only looks at its lock has it for an instant."""
    for attempt in range(5):
        try:
            lock_run(folder)
        except UserError:
            time.sleep(0.05 * (attempt + 1))
        else:
            return True
    return False


def _log_to(path: Path) -> None:
    """Let this process, and what it starts, write into the run's log."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def _begin(folder: Path, run: PlannedRun) -> bool:
    """Write down what the run is started with; returns whether that was known."""
    record = read_record(folder)
    if record is None:
        update_record(folder, **run.record())
    else:
        refuse_other_run(folder, record, run)
    (folder / FAILED).unlink(missing_ok=True)
    return record is not None


def _train_and_score(folder: Path, run: PlannedRun, threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    if not (read_record(folder) or {}).get("trained"):
        settings = {"keep_checkpoints": "slim", **run.overrides}  # a study has hundreds of runs, and goes on with none
        training = _workflow(list(run.files), run_id="training", **settings, resume=True)
        update_record(folder, trained=True, **_facts(training))
    place = {key: run.overrides[key] for key in ("device", "tracking_uri") if key in run.overrides}
    _workflow(
        [EVALUATE], run_id="evaluating", output_dir=str(folder.parent), run_name=run.name, part=PART[run.role], **place
    )


def _facts(training: ConfigWorkflow) -> dict[str, Any]:
    """What the study needs to know of the data and the machine when the run's folder is all that it has."""
    names = ("data", "labels", "include_background", "device", "precision_in_use", "train::trainer", "train::state")
    found = {key: training.parser.get_parsed_content(key) for key in names}
    state = found["train::trainer"].state
    stop = found["train::state"].objects.get("no_foreground")
    why = " without a voxel of foreground" if stop is not None and stop.ended_at else ""
    early = {"ended_early": f"after {state.epoch} of {state.max_epochs} epochs{why}"}
    labels = list(found["labels"])
    return {
        "patients": found["data"].patients,
        "score_labels": labels if found["include_background"] else labels[1:],
        "device": f"{found['device']} ({found['precision_in_use']})",
        **(early if state.epoch < state.max_epochs else {}),
    }


def _workflow(files: list[str], run_id: str, **overrides: Any) -> ConfigWorkflow:
    """Run a workflow from its beginning to its end, as ``python -m monai.bundle run`` does."""
    workflow = ConfigWorkflow(files, run_id=run_id, **overrides)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return workflow


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else "no message"


if __name__ == "__main__":
    logging.captureWarnings(True)
    sys.exit(main())
