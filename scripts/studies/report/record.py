"""All that a report is made of. Only the scores are needed; what else is missing, the report leaves out or says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..race import Race
from ..terms import Terms


@dataclass(frozen=True)
class CaseScore:
    """One loss's scores of one case, from the run (repeat, fold) that did not train on it.

    Args:
        loss: the condition that is compared; a loss, or whatever else the study varies.
        repeat: number of the repeat, the same for all losses that share its partition and first weights.
        fold: the run's fold within the repeat.
        case: name of the case, shown as it is.
        score: the primary score, 0 to 1, higher is better; a missed object scores 0. NaN: no score, since neither truth
            nor prediction holds an object.
        patient: the independent unit that the case belongs to; empty: the case is one itself.
        metrics: further scores by name, e.g. ``{"dice/tumour": .8, "hd95_mm/tumour": 3.2, "ece": .04}``; NaN: none.
    """

    loss: str
    repeat: int
    fold: int
    case: str
    score: float
    patient: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Curve:
    """The validation score of one run over its epochs; both sequences have one element a validation."""

    loss: str
    repeat: int
    fold: int
    epochs: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True)
class WeightPath:
    """The adaptive class weights of one run over its epochs: by class name, one value per epoch given."""

    loss: str
    repeat: int
    fold: int
    epochs: Sequence[float]
    weights: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class TuningTrial:
    """One learning rate tried for a loss, its validation score on the tuning partition, and whether it was taken."""

    loss: str
    learning_rate: float
    score: float
    chosen: bool = False


@dataclass(frozen=True)
class Failure:
    """A run that did not end well, and the last line that it said."""

    run: str
    last_line: str
    loss: str = ""


@dataclass(frozen=True)
class EarlyEnd:
    """A run that ended before its last epoch by a rule, is scored and counts, e.g. "after 10 of 20 epochs"."""

    run: str
    how: str
    loss: str = ""


@dataclass(frozen=True)
class Exclusion:
    """A case that has no part in the comparison, and why."""

    case: str
    reason: str


@dataclass(frozen=True)
class Overlay:
    """A picture (PNG or JPEG file) of a case's image, truth and prediction."""

    rank: str  # "best", "median" or "worst"
    case: str
    picture: Path
    caption: str = ""


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from.

    Args:
        study_file: its name.
        sha256_at_launch: its hash when the study was first launched.
        later_changes: one line a change of the study file since then.
        versions: by package.
        device: what the runs ran on.
        split_sha256: by repeat, or another name of the split.
        commands: those that made the runs and this report.
        restored_runs: how many of the finished runs come from saved ones; empty: none.
    """

    study_file: str = ""
    sha256_at_launch: str = ""
    later_changes: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    split_sha256: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()
    restored_runs: str = ""


@dataclass(frozen=True)
class StudyRecord:
    """A study as far as it has come.

    Args:
        name: of the study, and of the report's files.
        scores: every score of every run that has been evaluated.
        question: what the study asks, one sentence.
        primary: name of the primary score.
        margin: the smallest difference that matters, in the primary score's unit.
        reference: the loss that all others are compared with, where the study names one.
        terms: what the texts call that which is compared and that which is independent.
        leaky: cases of one unit may lie in training and test parts, as in the paper's protocol; the report says so.
        planned_repeats: repeats that the study file asks for; None: unknown.
        partition_folds: folds of a partition, whether all of them are run or not; None: those of the scores.
        settings: what is the same for all runs, by name ("network", "data", "epochs", ...), for the methods paragraph.
        differing: of the same names, those whose value is not one for all though no factor is called so: by condition.
        varied: of the same names, those that are factors of the study.
        curves: validation curves of the runs.
        weight_paths: adaptive class weights of the runs that learn them.
        tuning: learning rates tried; None: unknown, empty: none were.
        failures: runs that did not end well.
        early_ends: runs that a rule ended before their last epoch; they are scored and count.
        exclusions: cases without a part in the comparison.
        overlays: pictures of the best, the median and the worst case.
        hours: of all runs together.
        race: where losses were dropped on the way.
        race_ended: why the race stopped, e.g. ``Step.reason``.
        paper_table: number of the paper's table that the study repeats, 2 to 7.
        paper_rows: the paper's row that each loss of the study is, by loss.
        segment_command: the command that segments new images with the winner or the ensemble of its folds.
        provenance: where the numbers come from.
        notes: further limits of the answer, a sentence each.
    """

    name: str
    scores: Sequence[CaseScore]
    question: str = ""
    primary: str = "mean foreground Dice"
    margin: float = 0.01
    reference: str | None = None
    terms: Terms = field(default_factory=Terms)
    leaky: bool = False
    planned_repeats: int | None = None
    partition_folds: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    differing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    varied: Sequence[str] = ()
    curves: Sequence[Curve] = ()
    weight_paths: Sequence[WeightPath] = ()
    tuning: Sequence[TuningTrial] | None = None
    failures: Sequence[Failure] = ()
    early_ends: Sequence[EarlyEnd] = ()
    exclusions: Sequence[Exclusion] = ()
    overlays: Sequence[Overlay] = ()
    hours: float | None = None
    race: Race | None = None
    race_ended: str = ""
    paper_table: int | None = None
    paper_rows: Mapping[str, str] = field(default_factory=dict)
    segment_command: str = ""
    provenance: Provenance = field(default_factory=Provenance)
    notes: Sequence[str] = ()
