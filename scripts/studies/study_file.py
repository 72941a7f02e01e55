"""The study file: what is asked, what is compared, how often, and where it runs; checked before anything is done."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from monai.utils import path_to_sqlite_uri

from ..configuration.reading import load_config
from ..errors import UserError
from .comparable import refuse_incomparable
from .factors import Condition, base_config, find_conditions, find_parts, refuse_unknown_settings
from .file_values import (
    MONAI_KEYS,
    folder_to_keep,
    number_between,
    one_line,
    one_of,
    output_place,
    path_text,
    refuse_unknown,
    study_name,
    whole_number,
)
from .primary_score import check_score
from .slurm_settings import read_slurm
from .terms import noun

PROTOCOLS = ("whole_patients", "random_images_leaky")
LEAKY_FOLDS = (20, 3)  # the paper's: 5 % of the images are tested, three times
MOST_REPEATS = 100

# What a study file may hold, and what stands where it does not say. The second group says where a study runs: changing
# it changes no number, so it has no part in the study's hash.
CONTENT: dict[str, Any] = {
    "study": None, "question": "", "protocol": PROTOCOLS[0], "parts": {}, "settings": {}, "factors": None,
    "repeats": None, "folds": 5, "score": "dice", "margin": 0.01, "reference": None, "unit": "patient", "tune": None,
    "hours": None, "paper_table": None,
}  # fmt: skip
PLACE: dict[str, Any] = {
    "output_dir": None, "dataset_dir": None, "device": None, "tracking_uri": None, "jobs": 1, "threads": None,
    "slurm": None, "commands": None, "saved_runs": None,
}  # fmt: skip
RUN_PLACES = ("dataset_dir", "device")  # of the second group, what each run is given
DEFAULT_PRECISION = "float32"  # of runs: train.yaml's "auto" may come to another one on each machine of a study


@dataclass(frozen=True)
class Study:
    """A study as its file describes it.

    Args:
        name: of the study; of its folder and of its experiment in MLflow.
        question: what it asks, one sentence.
        protocol: "whole_patients", or "random_images_leaky" as in the paper.
        files: configuration files of every run, ``train.yaml`` first.
        settings: overrides of every run.
        conditions: what is compared, at least two.
        repeats: number of repeats, each with its own partition; with ``hours`` the most that there may be.
        num_folds: folds of a partition.
        run_folds: how many of them are trained and tested.
        score: the primary score, such as "dice" (mean of the foreground classes) or "dice/prostate".
        margin: the smallest difference that matters.
        reference: condition that the others are compared with, or None: all pairs.
        unit: what is independent, "patient" or for example "drive".
        tune: whether each condition gets its own learning rate.
        hours: time budget; None: every repeat is run.
        paper_table: number of the paper's table that is repeated, or None.
        output_dir: folder of the study: run folders, prepared data, report.
        tracking_uri: MLflow's address; None: the bundle's own.
        jobs: runs at a time.
        threads: of each run; None: cores divided by jobs.
        slurm: how the study runs on Slurm; None: it does not.
        saved_runs: folder that keeps the scores of finished runs (saved_runs.py), or None.
        content: the keys that make the study, as given.
    """

    name: str
    question: str
    protocol: str
    files: tuple[str, ...]
    settings: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    repeats: int
    num_folds: int
    run_folds: int
    score: str
    margin: float
    reference: str | None
    unit: str
    tune: bool
    hours: float | None
    paper_table: int | None
    output_dir: Path
    tracking_uri: str | None
    jobs: int
    threads: int | None
    slurm: Mapping[str, Any] | None
    saved_runs: Path | None
    content: Mapping[str, Any]

    @property
    def leaky(self) -> bool:
        """Whether a patient's images lie in training and test part."""
        return self.protocol == PROTOCOLS[1]

    @cached_property
    def sha256(self) -> str:
        """Hash of what the study is; where it runs has no part in it."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()


def read_study(config: Mapping[str, Any]) -> Study:
    """Check a study file's keys and bring them into one form.

    Args:
        config: top-level keys of the file, overrides of the command line applied.

    Raises:
        UserError: a key is unknown or missing, a value can't be used, a part does not exist; one line.
    """
    given = {key: value for key, value in config.items() if key not in MONAI_KEYS}
    _refuse_settings(given)
    refuse_unknown(given, {**CONTENT, **PLACE}, "a study file")
    value = {**CONTENT, **PLACE, **given}
    name = _name(value["study"], value["protocol"])
    files = find_parts(value["parts"])
    merged = base_config(files)
    refuse_unknown_settings(value["settings"], merged, "settings")
    num_folds, run_folds = _folds(value)
    conditions = find_conditions(value["factors"], merged)
    _refuse_auto_precision(value["settings"], conditions)
    configs = [{**merged, **base_config(each.files), **value["settings"], **each.settings} for each in conditions]
    score = check_score(value["score"], configs[0].get("labels"), conditions)
    refuse_incomparable(conditions, configs)
    for key in ("dataset_dir", "commands"):
        if value[key] is not None:
            path_text(value[key], key)
    names = [condition.name for condition in conditions]
    content = {key: value[key] for key in CONTENT}
    hours = number_between(value["hours"], "hours", 0.0, None)
    return Study(
        name=name,
        question=one_line(value["question"], "question"),
        protocol=value["protocol"],
        files=files,
        settings={
            "precision": DEFAULT_PRECISION,
            **value["settings"],
            **{key: value[key] for key in RUN_PLACES if value[key] is not None},
        },
        conditions=conditions,
        repeats=_repeats(value["repeats"], hours),
        num_folds=num_folds,
        run_folds=run_folds,
        score=score,
        margin=number_between(value["margin"], "margin", 0.0, 1.0) or 0.01,
        reference=one_of(value["reference"], names, "reference"),
        unit=noun(value["unit"], "unit"),
        tune=_tune(value["tune"], value["factors"], configs),
        hours=hours,
        paper_table=None if value["paper_table"] is None else whole_number(value["paper_table"], "paper_table", 2, 7),
        output_dir=output_place(value["output_dir"], name),
        tracking_uri=_tracking_uri(value),
        jobs=whole_number(value["jobs"], "jobs", 1, 1000),
        threads=None if value["threads"] is None else whole_number(value["threads"], "threads", 1, 1000),
        slurm=read_slurm(value["slurm"]),
        saved_runs=folder_to_keep(value["saved_runs"], "saved_runs"),
        content=json.loads(json.dumps(content, default=str)),
    )


def _refuse_settings(given: Mapping[str, Any]) -> None:
    """Refuse a key of the runs in the place of one of the study, as a training would take it."""
    for key in given:
        if key not in CONTENT and key not in PLACE and key in load_config():
            raise UserError(
                f"unknown key '{key}' of a study file: it is one of its runs; give it as --settings::{key}, or below "
                "settings in the file"
            )


def _tracking_uri(value: Mapping[str, Any]) -> str | None:
    """Beside the bundle's other runs, unless the study has a folder of its own or an address is given."""
    if value["tracking_uri"]:
        return str(value["tracking_uri"])
    if value["output_dir"] or os.environ.get("MLFLOW_TRACKING_URI"):
        return None  # train.yaml finds both; an address may hold a password, which is written nowhere
    return str(path_to_sqlite_uri(Path("runs/mlflow.db").resolve()))


def _name(name: Any, protocol: Any) -> str:
    name = study_name(name)
    if protocol not in PROTOCOLS:
        raise UserError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    return name if protocol == PROTOCOLS[0] else f"{name}-{protocol}"


def _refuse_auto_precision(settings: Mapping[str, Any], conditions: Iterable[Condition]) -> None:
    for place, given in [("settings", settings), *((f"factors: {c.name}", c.settings) for c in conditions)]:
        if given.get("precision") == "auto":
            raise UserError(
                f"{place}: precision auto may come to another precision on each machine, and the runs of a study are "
                "compared; set float32, bfloat16 or float16"
            )


def _folds(value: Mapping[str, Any]) -> tuple[int, int]:
    """Folds of a partition, and how many of them are run."""
    folds = value["folds"]
    if value["protocol"] == PROTOCOLS[1] and not isinstance(folds, Mapping):
        return LEAKY_FOLDS
    if isinstance(folds, Mapping):
        refuse_unknown(folds, {"number": None, "run": None}, "folds")
        number = whole_number(folds.get("number"), "folds::number", 1, 1000)
        run = whole_number(folds.get("run"), "folds::run", 1, number)
    else:
        number = run = whole_number(folds, "folds", 1, 1000)
    if number == 2:
        raise UserError("folds must be 3 or more (train, validation, test), or 1 for a data set with parts of its own")
    return number, run


def _repeats(repeats: Any, hours: float | None) -> int:
    from .race import LOOKS

    if hours is None:
        return whole_number(repeats, "repeats", 1, MOST_REPEATS)
    if repeats is not None:
        raise UserError(f"hours makes the study a race, which looks after {LOOKS} repeats; leave repeats away")
    return int(LOOKS[-1])


def _tune(tune: Any, factors: Iterable[str], configs: Iterable[Mapping[str, Any]]) -> bool:
    if tune is None or not isinstance(tune, bool):
        got = "is missing" if tune is None else f"is {tune!r}"
        raise UserError(f"tune {got}; write tune: true (each condition gets a learning rate of its own) or tune: false")
    if tune and "learning_rate" in factors:
        raise UserError("tune chooses the learning rate, which is also a factor of the study; leave one of them away")
    for rate in (config.get("learning_rate") for config in configs):
        if tune and number_between(rate, "learning_rate", 0.0, None) is None:
            raise UserError(f"tune tries thirds and triples of learning_rate, which must be a number, got {rate!r}")
    return tune
