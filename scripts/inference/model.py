"""The network that segments, and all that belongs to it, from the runs or the weights that are named."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from torch import nn

from ..configuration.keys import REFERENCE
from ..configuration.reading import BASE_CONFIG, load_config
from ..configuration.workflow import executed_config, running_workflow
from ..datasets.class_shares import training_shares
from ..errors import MissingFileError, UserError
from ..runs.provenance import file_sha256
from ..runs.publishing import PROVENANCE
from ..runs.recorded_settings import refuse_odd_settings
from ..runs.resume import flatten, run_config_sha256
from ..runs.run_configuration import PLACES, read_run_configuration, run_labels
from ..runs.run_files import CONFIG, MODEL
from ..runs.run_folder import find_run_dir
from .ensemble import names_of, one_form, refuse_equal_weights

SETTINGS = (
    "labels",
    "in_channels",
    "image_size",
    "pixel_spacing",
    "network_def",
)  # of a training, that inference must have
_AGREE = SETTINGS[:4]  # what the networks of an ensemble must have in common
_SHARES = "training_shares"  # in model.json


@dataclass(frozen=True)
class Member:
    """Weights, and the settings of their training.

    Args:
        weights: a flat state dict, class weights folded in.
        settings: ``SETTINGS`` and what ``network_def`` refers to, as a configuration; empty where nothing is known.
        shares: see ``training_shares``.
        config_sha256: hash of the run's configuration, where they lie in a run's folder.
    """

    weights: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[str, Sequence[float]] = field(default_factory=dict)
    config_sha256: str | None = None

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return file_sha256(self.weights)

    def value(self, key: str) -> Any:
        """A setting, expressions evaluated; a new object each time."""
        return ConfigParser(dict(self.settings)).get_parsed_content(key)


def find_members(
    run_name: str | None, runs_dir: str | Path, checkpoint: str | Path, ensemble: Sequence[str] | str | None = None
) -> list[Member]:
    """Find the weights that are named, with the settings of their trainings.

    Args:
        run_name: a run; None takes ``checkpoint``.
        runs_dir: the folder of all runs.
        checkpoint: weights, in a run folder, or with ``model.json`` beside them as publishing writes it, or alone.
        ensemble: further runs, whose probabilities are averaged with those of the first.

    Raises:
        FileNotFoundError: there is no such run, or no weights.
        ValueError: a run has no weights yet, ``model.json`` is of other weights, or the runs do not go together.
    """
    further = names_of(ensemble)
    if run_name is None and not isinstance(checkpoint, str | Path):
        raise UserError(f"checkpoint must be the path of a file, got {checkpoint!r}; give another --checkpoint")
    first = _of_weights(Path(checkpoint)) if run_name is None else _of_run(find_run_dir(runs_dir, run_name, "runs_dir"))
    members = [first, *(_of_run(find_run_dir(runs_dir, name, "runs_dir")) for name in further)]
    if further and not first.settings:
        raise UserError(f"nothing tells what {first.weights} was trained with, so it joins no ensemble; name its run")
    refuse_equal_weights([member.weights for member in members])
    for member in members[1:]:
        for key in _AGREE:
            ours, theirs = (each.value(key) for each in (member, first))
            if one_form(key, ours) != one_form(key, theirs):
                raise UserError(
                    f"{key} of {member.weights.parent.name} is {ours}, of {first.weights.parent.name} {theirs}; "
                    "an ensemble is of runs that differ in fold, seed, loss or network alone"
                )
    return members


def take_model(run_name: str | None, runs_dir: str | Path, checkpoint: str | Path) -> None:
    """Let the running inference go on with the settings of its weights: a step of ``initialize``.

    Raises:
        FileNotFoundError, ValueError: see ``find_members``.
        ValueError: a setting is given that differs from that of the weights; names it.
    """
    member = find_members(run_name, runs_dir, checkpoint)[0]
    workflow = running_workflow()
    if workflow is None:
        raise RuntimeError("a step of a workflow's initialize, which none is running")
    if not member.settings:
        return
    given, shipped = executed_config(), load_config(BASE_CONFIG.with_name("inference.yaml"))
    for key in SETTINGS:
        now, before, base = (flatten({key: config.get(key)}) for config in (given, member.settings, shipped))
        for place in now:
            if now[place] not in (base.get(place), before.get(place)):
                raise UserError(
                    f"{place} is {now[place]}, of {member.weights} it is {before.get(place, 'not there')}; "
                    "leave it out: it is taken from the run or model that is named"
                )
    workflow.parser.update(dict(member.settings))
    workflow.parser.parse(reset=True)


def known_shares(members: Sequence[Member]) -> dict[str, list[float]]:
    """The range of every class's share in all trainings together; see ``training_shares``."""
    labels = {label for member in members for label in member.shares}
    found = {label: [m.shares[label] for m in members if label in m.shares] for label in labels}
    return {label: [min(low for low, _ in each), max(high for _, high in each)] for label, each in found.items()}


def build_networks(members: Sequence[Member]) -> list[nn.Module]:
    """The network of every member, without its weights."""
    return [member.value("network_def") for member in members]


def _of_run(run_dir: Path, weights: Path | None = None) -> Member:
    config = read_run_configuration(run_dir)
    weights = weights or run_dir / MODEL
    if not weights.is_file():
        raise UserError(f"run {run_dir.name} has no {MODEL}: no validation has taken place yet; let it train on")
    labels = run_labels(run_dir, config)
    settings = _settings({**config, "labels": labels})
    refuse_odd_settings(run_dir / CONFIG, settings, labels, "put the run's own file back")
    return Member(weights, settings, training_shares(run_dir, labels), run_config_sha256(run_dir))


def _of_weights(weights: Path) -> Member:
    for beside in (weights.parent / CONFIG, weights.with_name(PROVENANCE)):
        if os.path.lexists(beside) and not beside.is_file():
            raise UserError(f"{beside} is no file, which should tell what {weights} was trained with; put it right")
    if not weights.is_file():
        raise MissingFileError(
            f"no checkpoint {weights}; name a run by --run_name, put a run's weights there (make publish RUN=NAME), or "
            "name another file by --checkpoint"
        )
    if (weights.parent / CONFIG).is_file():
        return _of_run(weights.resolve().parent, weights)
    provenance = weights.with_name(PROVENANCE)
    if not provenance.is_file():
        return Member(weights)
    try:
        record = json.loads(provenance.read_text(encoding="utf-8"))
        settings, sha256 = _settings(record["settings"]), record["sha256"]
        shares = {label: (float(low), float(high)) for label, (low, high) in (record.get(_SHARES) or {}).items()}
        if not isinstance(settings["labels"], list):  # they would be read from the images that are to be segmented
            raise TypeError("labels")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{provenance} is damaged; publish the run again (make publish RUN=NAME)") from None
    refuse_odd_settings(provenance, settings, settings["labels"], "publish the run again (make publish RUN=NAME)")
    if file_sha256(weights) != sha256:
        raise UserError(f"{provenance} is of other weights than {weights}; publish a run again, or remove it")
    return Member(weights, settings, shares)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a training's configuration, and every key that they refer to; never where its data lie."""
    found: dict[str, Any] = {}
    wanted = list(SETTINGS)
    while wanted:
        key = wanted.pop()
        if key in found or key not in config or key in PLACES:
            continue
        found[key] = config[key]
        wanted += [name for text in flatten(config[key]).values() for name in REFERENCE.findall(text)]
    found.setdefault("pixel_spacing", None)  # a run from before there was one
    if set(SETTINGS) - set(found):
        raise KeyError(f"no {', '.join(sorted(set(SETTINGS) - set(found)))}")
    if isinstance(found["network_def"], dict) and "pretrained_path" in found["network_def"]:
        found["network_def"] = {**found["network_def"], "pretrained_path": None}
    return found
