"""The bundle's own weights, ``models/model.pt``: changed only when a user names the run that they shall come from."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..configuration.paths import without_paths
from ..configuration.places import require_place
from ..datasets.class_shares import training_shares
from ..errors import UserError
from ..storage.atomic_files import write_atomically, write_text
from .checkpoint import epoch_of, load, load_network, refuse_other_run
from .provenance import file_sha256, git_revision, software_versions
from .recorded_settings import refuse_odd_settings
from .resume import comparable_sha256, read_table
from .run_configuration import read_run_configuration, run_labels
from .run_files import BEST, CONFIG, LAST, MODEL, SPLIT, SUMMARY, evaluation_folder
from .run_folder import find_run_dir, run_names
from .state_check import refuse_odd_tables

logger = logging.getLogger(__name__)

PROVENANCE = "model.json"  # beside the weights
# What inference must know of a training, and what the training was.
SETTINGS = (
    "data_name", "labels", "in_channels", "ignore_index", "image_size", "pixel_spacing", "network_name", "loss_name",
    "optimizer_name", "fold", "seed", "max_epochs", "network_def",
)  # fmt: skip


def publish_run(output_dir: str | Path, run_name: str | None, models_dir: str | Path) -> Path:
    """Copy the best weights of a run to ``<models_dir>/model.pt``, and write ``model.json`` beside them.

    Each file is replaced in one step, and the provenance last, after the old one is gone: a process killed in between
    leaves weights without provenance, and never with that of others. ``model.json`` holds the weights' hash.

    Args:
        output_dir: the folder of all runs.
        run_name: name of the run; must be given.
        models_dir: the bundle's folder of weights; made when it is missing.

    Returns:
        The file of the weights.

    Raises:
        FileNotFoundError: there is no such run, or it has no weights yet.
        ValueError: no run is named, or its weights are not those of the network in its configuration.
    """
    if not run_name:
        known = ", ".join(run_names(Path(output_dir).resolve())) or "none"
        raise UserError(f"publishing needs the name of a run: --run_name NAME; runs in {output_dir}: {known}")
    run_dir = find_run_dir(output_dir, run_name)
    target = place_weights(run_dir, Path(models_dir))
    logger.info("weights of run %s: %s; where they come from: %s", run_dir.name, target, target.parent / PROVENANCE)
    return target


def place_weights(run_dir: Path, models: Path) -> Path:
    """Copy a run's weights into a folder of weights, with where they come from beside them; returns their file.

    Raises:
        FileNotFoundError, ValueError: see ``publish_run``; nothing is written then.
    """
    models = require_place(models, "models_dir")
    target = models / MODEL
    for path in (target, models / PROVENANCE):
        if os.path.lexists(path) and not path.is_file():
            raise UserError(f"{path} stands where weights are published, and is no file; move it away")
    provenance = describe_run(run_dir)
    text = json.dumps(provenance, indent=4) + "\n"
    models.mkdir(parents=True, exist_ok=True)
    write_atomically(target, lambda temporary: _copy(run_dir, temporary, provenance["sha256"], models / PROVENANCE))
    write_text(models / PROVENANCE, text)
    return target


def _copy(run_dir: Path, temporary: Path, sha256: str, provenance: Path) -> None:
    """Copy a run's weights and, where they are those that were described, take the old provenance away."""
    shutil.copyfile(run_dir / MODEL, temporary)
    if file_sha256(temporary) != sha256:
        raise UserError(f"run {run_dir.name} is training and has just replaced its {MODEL}; do the same again")
    provenance.unlink(missing_ok=True)


def describe_run(run_dir: Path) -> dict[str, Any]:
    """Where a run's weights come from and how they score, of plain values, without places of this machine.

    Raises:
        FileNotFoundError, ValueError: see ``publish_run``.
    """
    config = read_run_configuration(run_dir)
    labels = run_labels(run_dir, config)
    refuse_odd_settings(run_dir / CONFIG, config, labels, "put the run's own file back")
    weights = run_dir / MODEL
    if not weights.is_file():
        raise UserError(f"run {run_dir.name} has no {MODEL}: no validation has taken place yet; let it train on")
    _refuse_other_weights({**config, "labels": labels}, weights, comparable_sha256(config))
    state = load(run_dir / BEST) if (run_dir / BEST).is_file() else {}
    refuse_odd_tables(run_dir / BEST, state)
    refuse_other_run(run_dir / BEST, state, comparable_sha256(config))
    best = state.get("progress", {}).get("best", {})
    _refuse_other_epoch(run_dir, best.get("epoch"))
    split = read_table(run_dir / SPLIT) if (run_dir / SPLIT).is_file() else {}
    tested = _read_test_scores(run_dir)
    return {
        "run": run_dir.name,
        "sha256": file_sha256(weights),
        "settings": {
            **{key: value for key, value in without_paths(config).items() if key in SETTINGS},
            "labels": labels,
        },
        "training_shares": training_shares(run_dir, labels),
        "trained_epochs": _trained_epochs(run_dir),
        "best_epoch": best.get("epoch"),
        "validation_dice_mean": best.get("score"),
        "test_scores": tested.get("scores"),  # null: not evaluated
        "test_computed_with": tested.get("computed_with"),
        "config_sha256": comparable_sha256(config),
        "split_sha256": split.get("sha256"),
        "data_fingerprint": split.get("fingerprint"),
        "git_revision": git_revision(),
        "versions": software_versions(),
    }


def _read_test_scores(run_dir: Path) -> dict[str, Any]:
    """The summary of a run's test; empty where it was not evaluated.

    Raises:
        ValueError: it is damaged, or of other weights than the run's best, as where the run was trained on since.
    """
    path = evaluation_folder(run_dir, "test") / SUMMARY
    if not path.is_file():
        return {}
    summary = read_table(path)
    _refuse_odd_scores(path, summary)
    scored = summary.get("computed_with", {}).get("checkpoint_sha256")
    if scored is not None and (run_dir / BEST).is_file() and scored != file_sha256(run_dir / BEST):
        raise UserError(
            f"{path} holds the scores of other weights than those of {BEST}, as where a run is trained on; evaluate it "
            f"again (make evaluate RUN={run_dir.name}), or delete {path.parent}"
        )
    return summary


def _trained_epochs(run_dir: Path) -> int | None:
    """Epochs that a run has begun: fewer than ``max_epochs`` where it is training, was stopped or ended early."""
    if not (run_dir / LAST).is_file():
        return None
    state = load(run_dir / LAST)
    refuse_odd_tables(run_dir / LAST, state)
    epoch = state.get("progress", {}).get("epoch")
    return epoch if isinstance(epoch, int) else None


def _refuse_odd_scores(path: Path, summary: dict[str, Any]) -> None:
    """Refuse scores that no evaluation has written."""
    scores, computed_with = summary.get("scores", {}), summary.get("computed_with", {})
    fault = None if isinstance(computed_with, dict) else f"computed_with is {computed_with!r}"
    if not isinstance(scores, dict):
        fault = f"scores is {str(scores)[:60]}"
    for name, value in scores.items() if isinstance(scores, dict) else ():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        overlap = name.removeprefix("original/").startswith(("dice", "iou"))
        if not number or (overlap and not 0 <= value <= 1):
            fault = f"{name} is {str(value)[:60]}"
            break
    if fault is not None:
        raise UserError(f"{path} is damaged: {fault}; evaluate the run again, or delete {path.parent}")


def _refuse_other_epoch(run_dir: Path, best: int | None) -> None:
    """Refuse weights of another epoch than the best state beside them, whose score would be said of them."""
    epoch = epoch_of(load(run_dir / MODEL))
    if None not in (epoch, best) and epoch != best:
        raise UserError(
            f"{run_dir / MODEL} is of epoch {epoch} and the {BEST} beside it of epoch {best}, as where a training is "
            "killed between the two; go on with it (--resume true), and do the same again"
        )


def _refuse_other_weights(config: dict[str, Any], weights: Path, config_sha256: str) -> None:
    """Refuse weights of another run, that the network of the configuration does not take, or that are not finite."""
    parser = ConfigParser(config)
    if "network_def::pretrained_path" in parser:
        parser["network_def::pretrained_path"] = None
    load_network(parser.get_parsed_content("network_def"), weights, config_sha256=config_sha256)
