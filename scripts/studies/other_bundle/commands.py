"""The three commands of a study file that names another bundle."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError
from ..decision import analyse
from ..history import record_launch
from ..launch_local import run_locally
from ..report.build import build_report
from ..report.verdict import verdict
from ..score_rows import score_table
from ..status import RunStatus, count_states, read_status
from .bundle_study import BundleStudy, read_bundle_study
from .launch import check_in_bundle, do_run_in_bundle
from .plan import plan_runs
from .report_record import CASES, bundle_record

logger = logging.getLogger(__name__)
REPORT = "report"


def studying(config: Mapping[str, Any], study_file: str, command: str) -> None:
    """Do what is missing of the study, then report.

    Args:
        config: the study file's keys, overrides of the command line applied.
        study_file: its name.
        command: the command that runs.

    Raises:
        UserError: the study file or the bundle is wrong, or folders hold runs of other settings.
        Stopped: it was asked to stop; trainings that were stopped begin again.
    """
    study = read_bundle_study(config)
    runs = plan_runs(study)
    if any(status.state != "done" for status in read_status(study.output_dir, runs)):
        facts = check_in_bundle(runs)
        if facts["cases"] is None:
            logger.warning("which cases the bundle trains on can't be seen: that none of them is tested is not checked")
        record_launch(study)
        run_locally(study.output_dir, runs, study.jobs, study.threads, do_run_in_bundle)
        for status in read_status(study.output_dir, runs):
            if status.state == "failed":
                logger.warning("run %s failed: %s", status.run.name, status.last_line)
    reporting(config, study_file, command)


def planning(config: Mapping[str, Any]) -> None:
    """Print what the study does and how far it is."""
    study = read_bundle_study(config)
    print("\n".join(describe(study, read_status(study.output_dir, plan_runs(study)))))


def reporting(config: Mapping[str, Any], study_file: str, command: str) -> None:
    """Write the report of what is there, and the scores as a table, and print the verdict."""
    study = read_bundle_study(config)
    statuses = read_status(study.output_dir, plan_runs(study))
    record = bundle_record(study, statuses, study_file, [command])
    if not record.scores:
        failed = [f"; {s.run.name} failed: {s.last_line}" for s in statuses if s.state == "failed"]
        raise UserError(f"the study {study.name} has no finished run to report{''.join(failed[:1])}")
    page: Path = build_report(record, study.output_dir / REPORT)
    analysis = analyse(score_table(record.scores), record.margin, record.reference)
    print(f"{study.name}: {_states(statuses)}")
    print(f"{' '.join(verdict(record, analysis))} Report: {page} Scores: {study.output_dir / CASES}")


def describe(study: BundleStudy, statuses: Sequence[RunStatus]) -> list[str]:
    """What a study does and how far it is, line by line."""
    names = [condition.name for condition in study.conditions]
    same = ", which differ in nothing but the seed" if study.same_cases and len(study.repeats) > 1 else ""
    lines = [
        f"study {study.name}: {study.question}" if study.question else f"study {study.name}",
        f"  {'bundle':<12} {study.bundle}: {', '.join(study.train.files)}, then {', '.join(study.evaluate.files)}",
        f"  {'conditions':<12} {len(names)}: {', '.join(names)}",
        f"  {'repeats':<12} {len(study.repeats)}{same}",
        f"  {'folds':<12} {len(study.folds)}{'' if len(study.folds) > 1 else ': the partition that the bundle has'}",
        f"  {'score':<12} {'/'.join(study.score)}, from the tables of cases that the bundle saves",
        f"  {'runs':<12} {len(statuses)}, in {study.output_dir}",
        f"  {'so far':<12} {_states(statuses)}",
        *(f"    {status.run.name}: {status.last_line}" for status in statuses if status.state == "failed"),
    ]
    if len(statuses) < 2 * len(names):
        lines.append(f"  {'can show':<12} nothing: one run of each condition says nothing about the condition")
    return lines


def _states(statuses: Sequence[RunStatus]) -> str:
    return ", ".join(f"{number} {state}" for state, number in count_states(statuses).items())
