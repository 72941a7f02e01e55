"""A study in MLflow: one experiment, a run for each condition with its estimates, the trainings nested below it.

Functions of names and numbers over an ``MlflowClient``. Recording again replaces what has changed; the trainings
themselves stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import UserError
from .addresses import sqlite_file
from .colours import COLOUR_TAG, run_colour
from .mlflow_run import find_or_create_experiment
from .names import safe_name
from .refusals import is_refusal
from .views import link, save_view, section_of, view_state

KIND_TAG, CONDITION_TAG, CONTENT_TAG = "adfl.kind", "adfl.condition", "adfl.content_sha256"
CONDITION = "condition"
PARENT_TAG = "mlflow.parentRunId"
PRIMARY_TAG = "mlflow.experiment.primaryMetric.name"  # the metric that MLflow's page shows first
BATCH = 1000  # points a call, the most that MLflow takes
PAGE = 1000  # runs a call


@dataclass(frozen=True)
class Condition:
    """One condition of a study.

    Args:
        name: unique in the study, such as "adfl" or "adfl, unet".
        loss: name of the loss, which gives the colour.
        parameters: what the condition is, such as ``{"loss": "adfl", "network": "unet"}``; repeated on its trainings.
        scores: numbers of the condition, by name: estimates, ends of intervals, regret bound. NaN is left out.
        curves: values by step, by name, such as the mean validation Dice of its trainings.
        run_ids: MLflow's ids of its trainings (``run_id`` in a run folder's ``tracking.json``).
    """

    name: str
    loss: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    run_ids: Sequence[str] = ()

    @property
    def content(self) -> str:
        """Hash of all but the trainings."""
        own = {name: value for name, value in asdict(self).items() if name != "run_ids"}
        return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


def record_study(
    client: Any, study: str, conditions: Sequence[Condition], primary: str, bars: Sequence[str] = ()
) -> str:
    """Record a study's conditions and a view of them in MLflow; returns the link that opens the view.

    The view lists the conditions, the best first, with bars of their scores and their learning curves. Clearing its
    filter lists the trainings as well, below their conditions.

    Args:
        client: an ``MlflowClient``.
        study: the experiment's name, which is also that of its trainings.
        conditions: the conditions so far; of equal names the last counts.
        primary: the score that people compare; its bars come first.
        bars: further scores to draw, such as "regret_bound"; all others are columns and folded charts.

    Raises:
        UserError: no condition has the score ``primary``, or the experiment is in MLflow's trash.
    """
    if not any(primary in condition.scores for condition in conditions):
        raise UserError(f"no condition of study {study} has the score {primary}; evaluate its runs first")
    experiment_id = find_or_create_experiment(client, study, sqlite_file(client.tracking_uri))
    client.set_experiment_tag(experiment_id, PRIMARY_TAG, safe_name(primary))
    recorded = _recorded(client, experiment_id)
    for condition in {condition.name: condition for condition in conditions}.values():
        parent = _condition_run(client, experiment_id, condition, recorded.get(condition.name, []))
        for run_id in condition.run_ids:
            _nest(client, run_id, parent, condition)
    shown = [safe_name(name) for name in dict.fromkeys([primary, *bars])]
    curves = sorted({safe_name(name) for condition in conditions for name in condition.curves})
    wanted = f"tags.`{KIND_TAG}` = '{CONDITION}'"
    others = {safe_name(name) for condition in conditions for name in condition.scores} - set(shown)
    folded = sorted({section_of(name) for name in others})
    state = view_state(shown, curves, folded, search_filter=wanted, order_by=safe_name(primary))
    return link(client.tracking_uri, experiment_id, save_view(client, experiment_id, state))


def _recorded(client: Any, experiment_id: str) -> dict[str, list[Any]]:
    """The runs of conditions that MLflow has, by the condition's name."""
    wanted = f"tags.`{KIND_TAG}` = '{CONDITION}'"
    found: dict[str, list[Any]] = {}
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], wanted, max_results=PAGE, page_token=token)
        for run in page:
            found.setdefault(run.data.tags.get(CONDITION_TAG, ""), []).append(run)
        token = page.token
        if not token:
            return found


def _condition_run(client: Any, experiment_id: str, condition: Condition, recorded: Sequence[Any]) -> str:
    """The run of a condition; one with other numbers is put into the trash, since MLflow changes no point."""
    for run in recorded:
        if run.data.tags.get(CONTENT_TAG) == condition.content:
            return str(run.info.run_id)
        client.delete_run(run.info.run_id)
    return _create(client, experiment_id, condition)


def _create(client: Any, experiment_id: str, condition: Condition) -> str:
    from mlflow.entities import Metric, Param

    tags = {KIND_TAG: CONDITION, CONDITION_TAG: condition.name, COLOUR_TAG: run_colour(condition.loss)}
    run_id = str(client.create_run(experiment_id, tags=tags, run_name=condition.name).info.run_id)
    points = [Metric(safe_name(n), v, 0, 0) for n, v in condition.scores.items() if v == v]
    curves = condition.curves.items()
    points += [Metric(safe_name(n), v, step, step) for n, curve in curves for step, v in curve.items() if v == v]
    for start in range(0, len(points), BATCH):
        client.log_batch(run_id, metrics=points[start : start + BATCH])
    parameters = {"loss": condition.loss, **condition.parameters}
    client.log_batch(run_id, params=[Param(safe_name(n), str(value)) for n, value in parameters.items()])
    client.set_tag(run_id, CONTENT_TAG, condition.content)  # last: a run that was not finished is made again
    client.set_terminated(run_id)
    return run_id


def _nest(client: Any, run_id: str, parent: str, condition: Condition) -> None:
    run = client.get_run(run_id)
    if run.data.tags.get(PARENT_TAG) != parent:
        client.set_tag(run_id, PARENT_TAG, parent)
    for name, value in condition.parameters.items():
        if safe_name(name) not in run.data.params:
            try:
                client.log_param(run_id, safe_name(name), value)
            except Exception as error:
                if not is_refusal(error):
                    raise
