"""MONAI's own experiment tracking (``--tracking mlflow``) beside ours, in one MLflow run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ignite.engine import Engine
from monai.handlers import MLFlowHandler

from .mirror import MlflowMirror


def share_run(engines: Iterable[Engine | None], mirror: MlflowMirror) -> None:
    """Give MONAI's handlers the run of this training; without any, nothing is done and MLflow is not asked.

    Left to themselves they take whatever run of that name has not finished, be it another training's.

    Args:
        engines: trainer and evaluator, before MONAI's handlers start.
        mirror: of this training's run.
    """
    handlers = {id(handler): handler for engine in engines if engine is not None for handler in _handlers(engine)}
    if not handlers:
        return
    mirror.push()
    for handler in handlers.values():
        handler.cur_run = handler.client.get_run(mirror.state["run_id"])
        handler.experiment_name = mirror.state["experiment_name"]


def _handlers(engine: Engine) -> Iterator[MLFlowHandler]:
    for attached in engine._event_handlers.values():
        for handler, _, _ in attached:
            owner = getattr(handler, "__self__", None)
            if isinstance(owner, MLFlowHandler):
                yield owner
