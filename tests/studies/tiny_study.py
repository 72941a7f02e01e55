"""A study in very small: a network of a few weights on a phantom of six tiny cases, seconds per run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import mlflow
import yaml
from monai.bundle import ConfigWorkflow

from scripts.configuration.error_report import user_message
from scripts.errors import UserError
from scripts.studies import file_values
from scripts.studies.study_file import Study, read_study
from tests.workflows import CONFIGS, TINY_PHANTOM

STEPS = {"initialize": "check_command", **{name: name for name in file_values.COMMANDS}}
COMMANDS = {key: {"_target_": f"scripts.studies.commands.{name}"} for key, name in STEPS.items()}
NETWORK: dict[str, Any] = {
    "network_name": "tiny",
    "network_def": {
        "_target_": "tests.tiny_network.TinyNetwork",
        "in_channels": "@in_channels",
        "num_classes": "$len(@labels)",
    },
}


def tiny_config(folder: Path, *, hold: Path | None = None, **changes: Any) -> dict[str, Any]:
    """The keys of a study file of two losses, three folds and one repeat; everything lies below ``folder``.

    While there is a file ``hold``, its trainings wait in their second iteration until they are asked to stop.
    """
    network = folder / "network_tiny.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    held = {"_target_": "tests.studies.held_network.HeldNetwork", "hold": str(hold)} if hold is not None else {}
    definition = {**NETWORK, "network_def": {**NETWORK["network_def"], **held}}
    network.write_text(yaml.safe_dump(definition))
    settings = {key: value for key, value in TINY_PHANTOM.items() if key != "num_folds"}
    return {
        "study": "tiny",
        "parts": {"network": str(network)},
        "settings": {**settings, "max_epochs": 2, "device": "cpu", "checkpoint_interval": 0},
        "factors": {"loss": ["ce", "adfl"]},
        "repeats": 1,
        "folds": 3,
        "tune": False,
        "threads": 1,
        "jobs": 2,
        "output_dir": str(folder / "study"),
        **changes,
    }


def tiny_study(folder: Path, *, hold: Path | None = None, **changes: Any) -> Study:
    """The same as a study."""
    return read_study(tiny_config(folder, hold=hold, **changes))


def lend_data(of: Path, to: Path) -> None:
    """Give a study below ``to`` the prepared data and the empty tables of MLflow of a study below ``of``.

    Both take longer to make than a run takes.
    """
    study = to / "study"
    study.mkdir(parents=True, exist_ok=True)
    for name in ("data", "prepared"):
        shutil.copytree(of / "study" / name, study / name)
    shutil.copy(of / "study" / "mlflow.db", study)


def make_tables(folder: Path) -> None:
    """Make the tables of MLflow of a study below ``folder`` as this process makes them: as a copy (mlflow_tables)."""
    study = folder / "study"
    study.mkdir(parents=True, exist_ok=True)
    mlflow.MlflowClient(f"sqlite:///{study / 'mlflow.db'}").search_experiments()


def command(config: dict[str, Any], name: str, folder: Path, **overrides: Any) -> None:
    """Run a command of a study file as ``python -m monai.bundle run`` does; a user's error is raised as it is told."""
    path = folder / "study_tiny.yaml"
    path.write_text(yaml.safe_dump({**config, **COMMANDS}, sort_keys=False))
    meta = str(CONFIGS / "metadata.json")
    workflow = ConfigWorkflow(str(path), meta_file=meta, logging_file=False, run_id=name, **overrides)
    workflow.initialize()
    try:
        workflow.run()
    except Exception as error:
        message = user_message(error)
        if message is None:
            raise
        raise UserError(message) from error
    workflow.finalize()
