"""The runs of a study over another bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.bundle import ConfigParser

from ..factors import Condition
from ..grid import SEEDS_A_REPEAT, PlannedRun
from .bundle_config import has_place, load_config
from .bundle_study import BundleStudy, Workflow

TRAIN, EVALUATE = "train", "evaluate"


def plan_runs(study: BundleStudy) -> list[PlannedRun]:
    """One run for each condition, fold and repeat; those that are compared with each other next to each other."""
    evaluation = load_config(study.bundle, study.evaluate.files)
    return [
        _plan(study, condition, repeat, fold, evaluation)
        for repeat in range(1, len(study.repeats) + 1)
        for fold in range(len(study.folds))
        for condition in study.conditions
    ]


def _plan(study: BundleStudy, condition: Condition, repeat: int, fold: int, evaluation: ConfigParser) -> PlannedRun:
    shared = {**study.settings, **study.repeats[repeat - 1], **study.folds[fold], **condition.settings}
    # an evaluation that does not build on the training's files has no loss, say, to change
    scoring = {key: value for key, value in shared.items() if has_place(key, evaluation)}
    overrides = {
        "bundle": str(study.bundle),
        "bundle_sha256": study.bundle_sha256,
        "seed": repeat * SEEDS_A_REPEAT + fold,  # the same for every condition
        **_record(TRAIN, study.train, shared),
        **_record(EVALUATE, study.evaluate, scoring),
    }
    name = f"{condition.folder_name}-r{repeat}-f{fold}"
    return PlannedRun(name, condition.name, repeat, fold, "run", None, (), overrides)


def read_workflow(name: str, overrides: Mapping[str, Any]) -> Workflow:
    """The training or the evaluation of a planned run, with all of its overrides.

    Args:
        name: ``TRAIN`` or ``EVALUATE``.
        overrides: of the planned run.
    """
    own = f"{name}, "
    settings = {key.removeprefix(own): value for key, value in overrides.items() if key.startswith(own)}
    return Workflow(tuple(overrides[f"{name} files"]), overrides[f"{name} run_id"], settings)


def _record(name: str, workflow: Workflow, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The same as flat keys, so that a difference between two runs is told by its key."""
    settings = {f"{name}, {key}": value for key, value in {**shared, **workflow.settings}.items()}
    return {f"{name} files": list(workflow.files), f"{name} run_id": workflow.run_id, **settings}
