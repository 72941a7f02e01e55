"""A run's own entry in MLflow, made once: experiment, name, parameters and tags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..configuration.passwords import redact
from .addresses import NAME_LENGTH
from .database import ARTIFACTS
from .names import safe_name
from .refusals import TrackingRefusedError, is_refusal, reason
from .sender import deleted_experiment
from .views import run_view

UID_TAG = "adfl.run_uid"
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's pages of trainings, not of chats
TEXTS = 100  # parameters or tags a call, the most that MLflow takes
VALUE_LENGTH = {"params": 6000, "tags": 5000}
Refused = Callable[[str, str, str], None]


def find_or_create_run(client: Any, state: dict[str, Any], database: Path | None, refused: Refused) -> str:
    """MLflow's id of a run, which is made where it is missing.

    Args:
        client: an ``MlflowClient``.
        state: ``uid``, ``experiment_name``, ``run_name``, ``params`` and ``tags`` of the run.
        database: file of an SQLite store, beside which artefacts go; None for a server.
        refused: called with a parameter or tag that MLflow refuses, the reason and the remedy.

    Raises:
        TrackingRefusedError: the experiment is in MLflow's trash.
    """
    from mlflow.entities import Param, RunTag

    experiment_id = find_or_create_experiment(client, state["experiment_name"], database)
    found = client.search_runs([experiment_id], f"tags.`{UID_TAG}` = '{state['uid']}'")
    name = state["run_name"][:NAME_LENGTH]
    run = found[0] if found else client.create_run(experiment_id, tags={UID_TAG: state["uid"]}, run_name=name)
    for kind, made in (("params", Param), ("tags", RunTag)):
        texts = [made(key, value[: VALUE_LENGTH[kind]]) for key, value in _flat(state[kind]).items()]
        for start in range(0, len(texts), TEXTS):
            _log_texts(client, run.info.run_id, kind, texts[start : start + TEXTS], refused)
    return str(run.info.run_id)


def find_or_create_experiment(client: Any, name: str, database: Path | None) -> str:
    """MLflow's id of an experiment, which is made where it is missing.

    Raises:
        TrackingRefusedError: it is in MLflow's trash.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = (database.parent / ARTIFACTS).as_uri() if database else None
        tags = {**EXPERIMENT_TAGS, **dict([run_view()])}
        try:
            return str(client.create_experiment(name, artifact_location=location, tags=tags))
        except Exception:
            experiment = client.get_experiment_by_name(name)  # another process was first
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise TrackingRefusedError(deleted_experiment(experiment))
    return str(experiment.experiment_id)


def _log_texts(client: Any, run_id: str, kind: str, texts: list[Any], refused: Refused) -> None:
    try:
        client.log_batch(run_id, **{kind: texts})
    except Exception as error:
        if not is_refusal(error):
            raise
        if len(texts) == 1:
            refused(f"{kind[:-1]} {texts[0].key}", reason(error), "shorten or rename it for later runs")
            return
        for text in texts:
            _log_texts(client, run_id, kind, [text], refused)


def _flat(values: dict[str, Any]) -> dict[str, str]:
    """Names as MLflow takes them and values as text, those of a value that is itself a dict among them."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        inner = value if isinstance(value, dict) else {name: value}
        flat |= {safe_name(str(key)): redact(str(text)) for key, text in inner.items()}
    return flat
