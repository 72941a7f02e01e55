"""The conditions of a study in MLflow: their estimates above, their trainings below."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from statistics import fmean

from monai.utils import path_to_sqlite_uri

from ..runs.run_files import TRACKING
from ..tracking.refusals import explain
from ..tracking.stores import open_client, prepare_client, require_answer, store_lock
from ..tracking.study_tracking import Condition, record_study
from .analysis import Analysis
from .collect import VALIDATION, collect_curves
from .grid import PlannedRun
from .run_record import read_json
from .study_file import Study

logger = logging.getLogger(__name__)


def study_address(study: Study) -> str:
    """MLflow's address of a study's runs."""
    given = study.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    return given or str(path_to_sqlite_uri(study.output_dir / "mlflow.db"))


def track_study(study: Study, analysis: Analysis, runs: Sequence[PlannedRun]) -> str | None:
    """Record the conditions in MLflow; returns the link that opens them, None where MLflow is away.

    Args:
        study: the study.
        analysis: of its scores.
        runs: finished ones.
    """
    uri = study_address(study)
    try:
        conditions = [_condition(study, analysis, name, runs) for name in analysis.table.losses]
        if not any(condition.run_ids for condition in conditions):
            return None  # every run was restored from saved ones: none was tracked here
        prepare_client()
        require_answer(uri)
        with store_lock(uri):
            return record_study(open_client(uri), study.name, conditions, study.score, bars=["regret_bound"])
    except Exception as error:
        logger.warning("%s; the report has everything", explain(error))
        return None


def _condition(study: Study, analysis: Analysis, name: str, runs: Sequence[PlannedRun]) -> Condition:
    result = analysis.loss(name)
    levels = next((dict(each.levels) for each in study.conditions if each.name == name), {})
    remedy = "put the run's own file back, or delete it"
    tracked = [read_json(study.output_dir / run.name / TRACKING, remedy) for run in runs if run.condition == name]
    known = math.isfinite(result.estimate.standard_error)  # else the ends are those of the score's range
    values = {
        study.score: result.estimate.mean,
        f"{study.score}/low": result.low if known else math.nan,
        f"{study.score}/high": result.high if known else math.nan,
        "regret_bound": result.regret_bound if known else math.nan,
        "rank_low": float(result.rank_low),
        "rank_high": float(result.rank_high),
    }
    return Condition(
        name=name,
        loss=levels.get("loss", name),
        parameters=levels,
        scores={key: value for key, value in values.items() if math.isfinite(value)},
        curves=_learning_curve(study, [run for run in runs if run.condition == name]),
        run_ids=[state["run_id"] for state in tracked if state and isinstance(state.get("run_id"), str)],
    )


def _learning_curve(study: Study, runs: Sequence[PlannedRun]) -> dict[str, dict[int, float]]:
    """The mean validation score of a condition's trainings by epoch, over those that have got so far."""
    found: dict[int, list[float]] = {}
    for curve in collect_curves(study.output_dir, runs)[0]:
        for epoch, value in zip(curve.epochs, curve.values, strict=True):
            found.setdefault(int(epoch), []).append(value)
    return {VALIDATION: {epoch: fmean(values) for epoch, values in sorted(found.items())}} if found else {}
