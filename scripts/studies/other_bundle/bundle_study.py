"""The study file of a study over another bundle, checked before anything is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ...errors import MissingFileError, UserError
from ..comparable import refuse_twins
from ..factors import Condition, cross_levels, named_levels
from ..file_values import (
    MONAI_KEYS,
    number_between,
    one_line,
    one_of,
    output_place,
    path_text,
    refuse_unknown,
    study_name,
    whole_number,
)
from ..terms import noun
from .bundle_config import has_place, load_config, one_form, per_case_metrics, refuse_unknown_keys

CONTENT: dict[str, Any] = {
    "study": None, "question": "", "bundle": None, "train": {}, "evaluate": {}, "settings": {}, "factors": None,
    "repeats": 1, "folds": 1, "score": None, "margin": 0.01, "reference": None, "unit": "case",
}  # fmt: skip
PLACE: dict[str, Any] = {"output_dir": None, "jobs": 1, "threads": None}
WORKFLOW: dict[str, Any] = {"files": None, "run_id": "run", "settings": {}}
FILES = ("{name}.json", "{name}.yaml", "{name}.yml")
MOST_REPEATS = 100


@dataclass(frozen=True)
class Workflow:
    """The training or the evaluation of a bundle.

    Args:
        files: configuration files, paths below the bundle.
        run_id: the id that runs.
        settings: overrides of its own.
    """

    files: tuple[str, ...]
    run_id: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class BundleStudy:
    """A study over another bundle, as its file describes it.

    Args:
        name: of the study and of its folder.
        question: what it asks.
        bundle: folder of the bundle.
        train: its training.
        evaluate: its evaluation.
        conditions: what is compared; their settings are overrides of the bundle's keys.
        settings: overrides of every run.
        repeats: overrides of each repeat.
        folds: overrides of each fold.
        same_cases: whether the repeats differ in nothing but the seed.
        score: metric that is compared, and its column in the table of cases ("mean" of its classes, "class0", ...).
        margin: the smallest difference that matters.
        reference: condition that the others are compared with, or None: all pairs.
        unit: what is independent; each case is one.
        output_dir: folder of the study.
        jobs: runs at a time.
        threads: of each run; None: cores divided by jobs.
        content: the keys that make the study, as given.
    """

    name: str
    question: str
    bundle: Path
    train: Workflow
    evaluate: Workflow
    conditions: tuple[Condition, ...]
    settings: Mapping[str, Any]
    repeats: tuple[Mapping[str, Any], ...]
    folds: tuple[Mapping[str, Any], ...]
    same_cases: bool
    score: tuple[str, str]
    margin: float
    reference: str | None
    unit: str
    output_dir: Path
    jobs: int
    threads: int | None
    content: Mapping[str, Any]

    @cached_property
    def sha256(self) -> str:
        """Hash of what the study is; where it runs has no part in it."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()

    @cached_property
    def bundle_sha256(self) -> str:
        """Hash of the bundle's configurations and code: runs of different ones are never compared."""
        digest = hashlib.sha256()
        kinds = {".json", ".yaml", ".yml", ".py"}
        own = [path for part in ("configs", "scripts") for path in (self.bundle / part).rglob("*")]
        for path in sorted(path for path in own if path.suffix in kinds):
            digest.update(f"{path.relative_to(self.bundle)}\n".encode() + path.read_bytes())
        return digest.hexdigest()[:16]


def read_bundle_study(config: Mapping[str, Any]) -> BundleStudy:
    """Check the keys of a study file against the bundle that it names, and bring them into one form.

    Args:
        config: top-level keys of the file, overrides of the command line applied.

    Raises:
        UserError: there is no such bundle, it lacks what a study needs, a key is unknown to it; one line.
    """
    given = {key: value for key, value in config.items() if key not in MONAI_KEYS}
    refuse_unknown(given, {**CONTENT, **PLACE}, "the study file of another bundle")
    value = {**CONTENT, **PLACE, **given}
    name = study_name(value["study"])
    bundle = _bundle(value["bundle"])
    train = _workflow(value["train"], "train", bundle, ())
    evaluate = _workflow(value["evaluate"], "evaluate", bundle, train.files)
    training = load_config(bundle, train.files)
    _refuse_missing_ids(training, train, "train::trainer")
    evaluation = load_config(bundle, evaluate.files)
    _refuse_missing_ids(evaluation, evaluate, "validate::evaluator")
    settings = _overrides(value["settings"], training, "settings")
    _overrides(train.settings, training, "train::settings")
    _overrides(evaluate.settings, evaluation, "evaluate::settings")
    conditions = _conditions(value["factors"], training)
    refuse_twins(conditions, [_changed(training, {**settings, **each.settings}) for each in conditions])
    names = [condition.name for condition in conditions]
    everywhere = {key: override for key, override in settings.items() if has_place(key, evaluation)}
    evaluation.update({**everywhere, **evaluate.settings})
    same, repeats = _partitions(value["repeats"], training, "repeats", MOST_REPEATS)
    return BundleStudy(
        name=name,
        question=one_line(value["question"], "question"),
        bundle=bundle,
        train=train,
        evaluate=evaluate,
        conditions=conditions,
        settings=settings,
        repeats=repeats,
        folds=_partitions(value["folds"], training, "folds", 1)[1],
        same_cases=same,
        score=_score(value["score"], evaluation),
        margin=number_between(value["margin"], "margin", 0.0, 1.0) or 0.01,
        reference=one_of(value["reference"], names, "reference"),
        unit=noun(value["unit"], "unit"),
        output_dir=output_place(value["output_dir"], name),
        jobs=whole_number(value["jobs"], "jobs", 1, 1000),
        threads=None if value["threads"] is None else whole_number(value["threads"], "threads", 1, 1000),
        content=json.loads(json.dumps({key: value[key] for key in CONTENT}, default=str)),
    )


def _bundle(folder: Any) -> Path:
    if not folder:
        raise UserError(
            "bundle must name the folder of the bundle that is studied, such as --bundle spleen_ct_segmentation"
        )
    path = Path(path_text(folder, "bundle")).expanduser().resolve()
    if not (path / "configs").is_dir():
        raise MissingFileError(f"{path} is no bundle: it has no folder configs/; bundle must name a bundle's folder")
    return path


def _workflow(given: Any, name: str, bundle: Path, before: tuple[str, ...]) -> Workflow:
    """The files of a workflow: those that are given, else the one of its name behind those before."""
    if not isinstance(given, Mapping):
        raise UserError(f"{name} must be such as {{files: [configs/{name}.json], settings: {{...}}}}, got {given!r}")
    refuse_unknown(given, WORKFLOW, name)
    value = {**WORKFLOW, **given}
    files = value["files"]
    if files is None:
        found = [file for file in (f"configs/{form.format(name=name)}" for form in FILES) if (bundle / file).is_file()]
        if not found:
            raise MissingFileError(
                f"no configs/{name}.json or .yaml in {bundle}; name its files: {name}: {{files: [...]}}"
            )
        files = [*before, found[0]]
    if isinstance(files, str):
        files = [files]
    if not isinstance(files, list | tuple) or not files or not all(isinstance(file, str) for file in files):
        raise UserError(f"{name}::files must be a list of files, such as [configs/{name}.json], got {files!r}")
    if not isinstance(value["settings"], Mapping):
        raise UserError(f"{name}::settings must hold overrides of the bundle's keys, got {value['settings']!r}")
    return Workflow(tuple(files), str(value["run_id"]), dict(value["settings"]))


def _refuse_missing_ids(parser: ConfigParser, workflow: Workflow, standard: str) -> None:
    for key in (workflow.run_id, standard):
        if key not in parser:
            raise UserError(
                f"{', '.join(workflow.files)} of the bundle has no id '{key}'; a study needs MONAI's standard ids, and "
                "the id that runs"
            )


def _overrides(given: Any, parser: ConfigParser, where: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise UserError(f"{where} must hold overrides of the bundle's keys, got {given!r}")
    refuse_unknown_keys(given, parser, where)
    return {str(key): value for key, value in given.items()}


def _conditions(factors: Any, parser: ConfigParser) -> tuple[Condition, ...]:
    if not isinstance(factors, Mapping) or not factors:
        raise UserError("factors must say what is compared, such as {loss: {own: {}, DFL: {_target_: ...}}}")
    return cross_levels(
        [
            [_level(str(factor), name, value, parser) for name, value in named_levels(str(factor), levels).items()]
            for factor, levels in factors.items()
        ]
    )


def _level(factor: str, name: str, value: Any, parser: ConfigParser) -> Condition:
    """A component or a plain value is of the factor's key; another mapping sets several keys, an empty one none."""
    several = isinstance(value, Mapping) and "_target_" not in value
    settings = dict(value) if several else {factor: value}
    return Condition(name, {factor: name}, (), _overrides(settings, parser, f"level {name} of factor {factor}"))


def _changed(parser: ConfigParser, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some overrides that are not what the bundle has anyhow."""
    return {one_form(key): value for key, value in overrides.items() if key not in parser or parser.get(key) != value}


def _partitions(given: Any, parser: ConfigParser, key: str, most: int) -> tuple[bool, tuple[dict[str, Any], ...]]:
    """Overrides of each repeat or fold; a number alone means that nothing but the seed differs."""
    if isinstance(given, Sequence) and not isinstance(given, str) and given:
        return False, tuple(_overrides(one, parser, f"{key}::{number}") for number, one in enumerate(given))
    if most == 1 and given != 1:
        raise UserError(f"{key} must be 1 or a list of overrides, one for each, which part the cases; got {given!r}")
    return True, ({},) * whole_number(given, key, 1, most)


def _score(given: Any, evaluation: ConfigParser) -> tuple[str, str]:
    """Metric and column of the primary score."""
    saved, key_metric = per_case_metrics(evaluation)
    every = "*" in saved
    if given is None:
        given = key_metric if key_metric and (every or key_metric in saved) else saved[0]
    metric, _, column = str(given).partition("/")
    if metric == "*" or not (every or metric in saved):
        raise UserError(
            f"score must be one of those that the bundle saves for every case, {', '.join(saved)}, got {given}"
        )
    return metric, column or "mean"
