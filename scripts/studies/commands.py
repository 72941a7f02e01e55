"""The three commands of a study file: studying, planning, reporting."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..configuration.error_report import report_user_errors
from ..configuration.keys import require_workflow
from ..configuration.overrides import read_yaml_words
from ..configuration.workflow import executed_config, running_workflow
from ..errors import UserError
from ..tracking.addresses import sqlite_file
from ..tracking.views import pages_command
from .assemble import study_record
from .blocks import Block, all_runs, analysed_runs, next_block
from .check_conditions import check_conditions
from .file_values import COMMANDS
from .history import record_launch
from .launch_local import run_locally
from .mlflow_study import study_address, track_study
from .other_bundle import commands as other_bundle
from .plan_text import describe_plan
from .report.build import build_report
from .report.record import StudyRecord
from .report.words import count
from .run_record import RECORD
from .saved_runs import restore_runs, save_runs
from .slurm_script import FOLLOWED, follow, submit, write_array, write_commands
from .status import count_states, read_status, without_record
from .study_file import Study, read_study

logger = logging.getLogger(__name__)
REPORT = "report"
_BASE = "bundle"  # key of a study file whose runs are those of another bundle


def check_command() -> None:
    """Refuse to run what is no command of a study file: a step of ``initialize``.

    Raises:
        UserError: names the nearest command, and all three.
    """
    report_user_errors()
    workflow = running_workflow()
    if workflow is not None:
        require_workflow(workflow.run_id, COMMANDS)


def studying() -> None:
    """Do what is missing of the study, then report; the same command goes on where it was stopped.

    Raises:
        UserError: the study file is wrong, a condition can't be trained, or folders hold runs of other settings.
        Stopped: it was asked to stop; every run has saved its state.
    """
    config = _config()
    if _BASE in config:
        other_bundle.studying(config, _file_name(), _command())
        return
    study = _open(config)
    read_status(study.output_dir, all_runs(study))  # refuses folders of other settings
    block, _ = next_block(study, _left_alone(study))
    if block is not None:
        check_conditions(study)
        record_launch(study)
        if study.slurm is not None:
            _submit(study, block)
            return
        _run_blocks(study, block)
    reporting()


def planning() -> None:
    """Print what the study does, how far it is and what it can show; with ``commands`` also write a line per run."""
    config = _config()
    if _BASE in config:
        other_bundle.planning(config)
        return
    study = _open(config)
    check_conditions(study, prepare=False)
    print(describe_plan(study))
    block, reason = next_block(study)
    if config.get("commands"):
        if block is None:
            raise UserError(f"the study {study.name} has no run to do{f': {reason}' if reason else ''}")
        check_conditions(study)
        record_launch(study)
        path = Path(str(config["commands"])).expanduser().resolve()
        write_commands(study.output_dir, block.runs, path)
        print(f"{len(block.runs)} commands ({block.reason}): {path}")
    elif study.slurm is not None and block is not None:
        record_launch(study)
        script = write_array(study.output_dir, block.runs, study.slurm)
        print(f"{len(block.runs)} runs ({block.reason}); start them: sbatch {script}")


def reporting() -> None:
    """Write the report of what is there and print its verdict."""
    config = _config()
    if _BASE in config:
        other_bundle.reporting(config, _file_name(), _command())
        return
    study = _open(config)
    for name in without_record(study.output_dir, all_runs(study)):
        logger.warning(
            "run %s has scores and no %s, so it does not count; start the study again, which looks it through",
            name,
            RECORD,
        )
    record = study_record(study, _file_name(), [_command()])
    _refuse_too_early(study, {score.loss for score in record.scores})
    folder = study.output_dir / REPORT
    page = build_report(record, folder)
    if study.saved_runs is not None:
        save_runs(study, study.saved_runs)
    _say(study, record, page)


def _refuse_too_early(study: Study, conditions: set[str]) -> None:
    if len(conditions) < 2:
        done = f"only runs of {conditions.pop()} are" if conditions else "no run of the study is"
        raise UserError(
            f"{done} done yet in {study.output_dir}, and a report compares two conditions or more; 'run studying' goes "
            "on, 'run planning' says how far it is, and --output_dir names another folder of runs"
        )


def _config() -> dict[str, Any]:
    report_user_errors()
    read_yaml_words()
    return executed_config()


def _open(config: Mapping[str, Any]) -> Study:
    study = read_study(config)
    if study.saved_runs is not None:
        restored = restore_runs(study, study.saved_runs)
        if restored:
            logger.info("%s taken from %s", count(restored, "finished run"), study.saved_runs)
    return study


def _run_blocks(study: Study, block: Block | None) -> None:
    """Run block after block until there is none; what failed is not tried twice."""
    tried: set[str] = set()
    while block is not None:
        logger.info("%s: %s, %d at a time", block.reason, count(len(block.runs), "run"), study.jobs)
        run_locally(study.output_dir, block.runs, study.jobs, study.threads)
        if study.saved_runs is not None:
            save_runs(study, study.saved_runs)
        tried |= {run.name for run in block.runs}
        block, reason = next_block(study, tried)
        if reason:
            logger.info("%s", reason)
    statuses = read_status(study.output_dir, all_runs(study))
    for status in statuses:
        if status.state == "failed":
            logger.warning("run %s failed: %s", status.run.name, status.last_line)


def _submit(study: Study, block: Block) -> None:
    settings = study.slurm or {}
    job = submit(write_array(study.output_dir, block.runs, settings))
    print(f"{count(len(block.runs), 'run')} ({block.reason}) with Slurm as job {job}: squeue --job {job}")
    if settings.get("follow", True):
        print(f"job {follow(study.output_dir, job, settings, _command())} goes on with the study when they have ended")


def _left_alone(study: Study) -> set[str]:
    """Runs that failed and are not tried again: where Slurm has started this, not a person."""
    if not os.environ.get(FOLLOWED):
        return set()
    return {s.run.name for s in read_status(study.output_dir, all_runs(study)) if s.state == "failed"}


def _say(study: Study, record: StudyRecord, page: Path) -> None:
    from .decision import analyse
    from .report.verdict import verdict
    from .score_rows import score_table

    analysis = analyse(score_table(record.scores, leaky=record.leaky), record.margin, record.reference)
    counts = count_states(read_status(study.output_dir, all_runs(study)))
    finished = [status.run for status in read_status(study.output_dir, analysed_runs(study)) if status.state == "done"]
    link = track_study(study, analysis, finished)
    if link is not None:
        database = sqlite_file(study_address(study))
        shown = f" ({pages_command(database.parent)})" if database is not None else ""
        print(f"Conditions and runs in MLflow{shown}: {link}")
    print(f"{study.name}: {', '.join(f'{number} runs {state}' for state, number in counts.items())}")
    print(f"{' '.join(verdict(record, analysis))} Report: {page}")


def _file_name() -> str:
    """Name of the study file that runs."""
    for word in sys.argv:
        if word.endswith((".yaml", ".yml", ".json")):
            return Path(word.strip("[]'\"")).name
    workflow = running_workflow()
    return "" if workflow is None else str(workflow.config_root_path)


def _command() -> str:
    """The command that runs."""
    return shlex.join(["python", "-m", "monai.bundle", *sys.argv[1:]])
