"""The runs of a study: a name, files and overrides for each, the same whenever and wherever they are planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .factors import Condition, base_config
from .study_file import Study

Role = Literal["run", "tuning", "pilot"]
TUNING_REPEAT = 0  # its partition is never analysed
RATE_FACTORS = {"third": 1 / 3, "default": 1.0, "triple": 3.0}
SEEDS_A_REPEAT = 1000  # more than folds


@dataclass(frozen=True)
class PlannedRun:
    """One training with its evaluation.

    Args:
        name: of its folder.
        condition: what it belongs to.
        repeat: 1, 2, ...; 0 is the tuning partition.
        fold: of the repeat's partition.
        role: "run" is analysed, "tuning" chooses a learning rate, "pilot" tells how long a run takes.
        learning_rate: where the study sets it, else None.
        files: configuration files, ``train.yaml`` first.
        overrides: of its configuration.
    """

    name: str
    condition: str
    repeat: int
    fold: int
    role: Role
    learning_rate: float | None
    files: tuple[str, ...]
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The plan as JSON holds it."""
        return asdict(self) | {"files": list(self.files), "overrides": dict(self.overrides)}


def plan_repeats(
    study: Study,
    repeats: Iterable[int],
    rates: Mapping[str, float] | None = None,
    conditions: Sequence[str] | None = None,
) -> list[PlannedRun]:
    """The runs of some repeats, those that are compared with each other next to each other.

    Args:
        study: the study.
        repeats: their numbers, from 1.
        rates: learning rate of each condition; None: as configured.
        conditions: names of those to run; None: all.
    """
    rates = rates or {}
    return [
        _plan(study, condition, repeat, fold, "run", rates.get(condition.name))
        for repeat in repeats
        for fold in range(study.run_folds)
        for condition in study.conditions
        if conditions is None or condition.name in conditions
    ]


def plan_tuning(study: Study) -> list[PlannedRun]:
    """The runs that choose learning rates, as many for each condition."""
    return [
        _plan(study, condition, TUNING_REPEAT, 0, "tuning", default_rate(study, condition) * factor, f"lr-{label}")
        for condition in study.conditions
        for label, factor in RATE_FACTORS.items()
    ]


def plan_pilot(study: Study) -> PlannedRun:
    """One run of the reference, or of the first condition, that is timed before a race."""
    reference = study.reference or study.conditions[0].name
    condition = next(condition for condition in study.conditions if condition.name == reference)
    return _plan(study, condition, TUNING_REPEAT, 0, "pilot", None, "pilot")


def configured(study: Study, condition: Condition) -> dict[str, Any]:
    """The plain keys of ``train.yaml`` as a condition's runs have them, but for what is set run by run."""
    return {**base_config([*study.files, *condition.files]), **study.settings, **condition.settings}


def default_rate(study: Study, condition: Condition) -> float:
    """The learning rate of a condition as it is configured."""
    return float(configured(study, condition)["learning_rate"])


def _plan(
    study: Study, condition: Condition, repeat: int, fold: int, role: Role, rate: float | None, label: str = ""
) -> PlannedRun:
    name = f"{condition.folder_name}-{label or f'r{repeat}-f{fold}'}"
    own = {
        "output_dir": str(study.output_dir),
        "run_name": name,
        "experiment_name": study.name,
        "split_seed": repeat,
        "split_unit": "image_leaky" if study.leaky else "patient",
        "fold": fold,
        "seed": repeat * SEEDS_A_REPEAT + fold,  # first weights and order: one draw a run, the same for every loss
    }
    if study.num_folds > 1:  # one is the data set's own parts, which no number of folds deals
        own["num_folds"] = study.num_folds
    if rate is not None:
        own["learning_rate"] = rate
    if study.tracking_uri is not None:
        own["tracking_uri"] = study.tracking_uri
    return PlannedRun(
        name, condition.name, repeat, fold, role, rate, (*study.files, *condition.files),
        {**study.settings, **condition.settings, **own},
    )  # fmt: skip
