"""What limits the conclusions of a study, in sentences for its readers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .design import Kind
from .estimation import FEWEST_PATIENTS
from .scores import Floats, ScoreTable
from .terms import Terms

FEW_PATIENTS = 50
MOST_SKEWNESS = 2.0
OF_DESIGN: dict[Kind, tuple[str, str]] = {
    "one run": (
        "one run",
        "Each {thing} was trained once. One training says nothing about the {thing}, since another one of the same "
        "{thing} differs too: nothing is concluded. Train more folds or repeats.",
    ),
    "one training set": (
        "one training set",
        "All runs share one training set. The conclusions hold for this training set, not for others.",
    ),
    "one repeat": (
        "one repeat",
        "There is one repeat, so each {unit} was tested by one run of each {thing}. The noise of {units} and of runs "
        "cannot be told apart.",
    ),
    "fixed folds": (
        "fixed folds",
        "All repeats have the same folds. More repeats do not make up for few training sets; let each repeat draw a "
        "new partition.",
    ),
}


@dataclass(frozen=True)
class Caution:
    """Something that limits what the numbers can say.

    Args:
        code: a stable name.
        text: a sentence or two for the reader.
    """

    code: str
    text: str


def find_cautions(table: ScoreTable, kind: Kind, terms: Terms) -> tuple[Caution, ...]:
    """What a reader of the analysis has to know of the design and the scores."""
    found = [_of_the_design(kind, terms)] if kind in OF_DESIGN else []
    if kind == "one repeat" and table.leaky:
        found = [
            Caution(
                kind, f"There is one repeat, and its runs share the {terms.units} that they were trained and tested on."
            )
        ]
    if table.num_patients < FEWEST_PATIENTS:
        text = f"There are only {table.num_patients} independent {terms.units}: estimates, no conclusions."
        found.append(Caution("too few patients", text))
    elif table.num_patients < FEW_PATIENTS:
        text = (
            f"There are {table.num_patients} {terms.units}. Below {FEW_PATIENTS}, an interval that is named 95 % may "
            "hold only 89 to 93 % when the differences are skewed."
        )
        found.append(Caution("few patients", text))
    skewed = _most_skewed(table)
    if skewed and skewed[0] > MOST_SKEWNESS:
        value, a, b = skewed
        found.append(
            Caution(
                "skewed",
                f"The {terms.units}' differences are skewed, most those of {a} and {b} (skewness {value:.1f}): a few "
                f"{terms.units} decide, and the intervals may be too short.",
            )
        )
    found.extend(_of_the_data(table, terms))
    if kind == "new partitions":
        found.append(
            Caution(
                "one pool",
                f"Every repeat draws on the same {terms.units}. The conclusions are about trainings on this pool.",
            )
        )
    return tuple(found)


def _of_the_design(kind: Kind, terms: Terms) -> Caution:
    code, text = OF_DESIGN[kind]
    return Caution(code, text.format(thing=terms.thing, unit=terms.unit, units=terms.units))


def _of_the_data(table: ScoreTable, terms: Terms) -> list[Caution]:
    found = []
    if table.leaky:
        text = (
            f"Cases of one {terms.unit} are in several folds of a repeat, so {terms.units} were trained on when they "
            "were tested."
        )
        found.append(
            Caution("leaky", f"{text} The scores are too high, for some {terms.things} perhaps more than for others.")
        )
    if table.missing_runs:
        losses = ", ".join(dict.fromkeys(loss for loss, _, _ in table.missing_runs))
        many = "1 run is" if len(table.missing_runs) == 1 else f"{len(table.missing_runs)} runs are"
        found.append(
            Caution(
                "missing runs",
                f"{many} missing (of {losses}). Each pair is compared on what both have; means of single "
                f"{terms.things} are over different cases.",
            )
        )
    return found


def _most_skewed(table: ScoreTable) -> tuple[float, str, str] | None:
    """Largest absolute skewness of the patients' mean differences over all pairs, with its pair."""
    found = []
    for k, a in enumerate(table.losses):
        for j in range(k):
            means = patient_means(table, table.values[k] - table.values[j])
            if len(means) > 2 and np.ptp(means) > 0:
                found.append((abs(float(stats.skew(means))), table.losses[j], a))
    return max(found, default=None)


def patient_means(table: ScoreTable, values: Floats) -> Floats:
    """Mean of each patient that has any value: (R, N), NaN where missing -> (patients)."""
    _, codes = np.unique(np.asarray(table.patients), return_inverse=True)
    codes = np.broadcast_to(codes, values.shape)
    here = ~np.isnan(values)
    sums, counts = (np.bincount(codes[here], weights=w) for w in (values[here], np.ones(int(here.sum()))))
    means: Floats = sums[counts > 0] / counts[counts > 0]
    return means
