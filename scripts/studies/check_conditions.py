"""Whether every condition of a study can be trained, and its data prepared, before any run is started."""

from __future__ import annotations

import logging
from typing import Any

from monai.bundle import ConfigWorkflow

from ..configuration.error_report import user_message
from ..errors import UserError
from .blocks import all_runs
from .grid import plan_repeats
from .same_data import refuse_other_data
from .status import read_status
from .study_file import Study


def check_conditions(study: Study, *, prepare: bool = True) -> None:
    """Build the first run of each condition as far as its network and data, which prepares every data set once.

    Args:
        study: the study.
        prepare: False leaves the data out, and looks at networks on the CPU, as a plan may be made on a machine that
            has neither data nor GPU.

    Raises:
        UserError: a condition can't be trained; names it and what is wrong.
    """
    done = [s.run for s in read_status(study.output_dir, all_runs(study)) if s.state == "done" and s.run.role == "run"]
    for run in plan_repeats(study, [1]):
        if run.fold != 0:
            continue
        try:
            device = {} if prepare else {"device": "$torch.device('cpu')"}
            workflow = _quietly(list(run.files), **{**run.overrides, **device})
            workflow.initialize()
            data: Any = workflow.parser.get_parsed_content("data") if prepare else None
        except Exception as error:
            message = user_message(error)
            if message is None:
                raise
            raise UserError(f"condition {run.condition} can't be trained: {message}") from error
        if prepare:
            _refuse_missing_fold(study, data)
            refuse_other_data(study.output_dir, done, run, data.fingerprint)


def _quietly(files: list[str], **overrides: Any) -> ConfigWorkflow:
    """A workflow, without MONAI's words on where the logging file lies."""
    logger = logging.getLogger("monai.bundle.workflows")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return ConfigWorkflow(files, logging_file=False, run_id="training", **overrides)
    finally:
        logger.setLevel(level)


def _refuse_missing_fold(study: Study, data: Any) -> None:
    if study.num_folds == 1 and data.num_splits > 1:
        raise UserError(
            f"folds is 1, which asks for parts of the data set's own, and {data.name} has none; set folds to 3 or more"
        )
    if study.run_folds > data.num_splits:
        raise UserError(
            f"folds asks for {study.run_folds}, but the data set {data.name} has {data.num_splits} split(s)"
        )
