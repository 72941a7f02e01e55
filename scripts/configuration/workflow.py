"""The MONAI workflow that is running, and the configuration that it runs."""

from __future__ import annotations

import inspect
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow


def running_workflow() -> ConfigWorkflow | None:
    """The MONAI workflow on whose behalf this code runs, found on the call stack; None outside a workflow.

    MONAI hands a config component its arguments and no more, and the text of the configuration, with every override in
    it, is known to the workflow alone.

    MONAI 1.6.1 has no other door under ``python -m monai.bundle run``: an expression sees modules and resolved objects,
    ``%`` pastes text that is then built, and a workflow class of one's own would have to stand on every command line
    (``--workflow_name``). Nobody else looks for the workflow: who needs the configuration's text asks here.
    """
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, ConfigWorkflow):
            return caller
        frame = frame.f_back
    return None


def executed_config() -> dict[str, Any]:
    """The configuration as it runs: files merged, overrides applied, references kept as text."""
    workflow = running_workflow()
    if workflow is None:
        return {}
    config = workflow.parser.get()
    return {key: value for key, value in config.items() if key != ConfigParser.meta_key}
