"""What a study can show, and what would settle a pair that it leaves undecided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from .components import Components
from .scores import Floats

ALPHA = 0.05
POWER = 0.80
MOST_REPEATS = 100
MOST_PATIENTS = 100_000

Outcome = Literal["better", "equivalent"]


@dataclass(frozen=True)
class Settlement:
    """What would settle an undecided pair if the true difference is the estimate.

    Settled means: shown to be better, at the level of the first step of Holm in the study's family of pairs, or
    equivalent. A range goes from an even chance to 80 %; its end is None beyond ``MOST_REPEATS`` or ``MOST_PATIENTS``.

    Args:
        by: the likelier outcome.
        repeats: total repeats with the study's patients, (even chance, 80 %); None: no number of repeats settles it.
        patients: total patients with the study's repeats; None: no number of patients settles it.
        floor: standard error that more repeats cannot get below with the study's patients.
    """

    by: Outcome
    repeats: tuple[int, int | None] | None
    patients: tuple[int, int | None] | None
    floor: float


def smallest_difference(
    components: Components, patients: int, repeats: int, comparisons: int = 1, power: float = POWER
) -> float:
    """Smallest true difference that a study shows with a given power.

    Args:
        components: of the difference of two losses.
        patients: number of patients, >= 2.
        repeats: number of repeats, each a new partition, >= 1.
        comparisons: number of pairs that Holm corrects for; the pair has to pass the strictest step.
        power: probability of showing it, above 0.5 and below 1.

    Returns:
        (quantile of the test + quantile of the power) standard errors, both of t.
    """
    degrees = components.degrees(patients, repeats)
    quantiles = stats.t.ppf(1 - ALPHA / comparisons / 2, degrees) + stats.t.ppf(power, degrees)
    return float(quantiles * components.standard_error(patients, repeats))


def chance_of_better(difference: float, standard_error: Floats, degrees: Floats, comparisons: int = 1) -> Floats:
    """Probability that a two-sided test of no difference, corrected for so many comparisons, shows the difference."""
    critical = stats.t.ppf(1 - ALPHA / comparisons / 2, degrees)
    chance: Floats = stats.t.cdf(abs(difference) / standard_error - critical, degrees)
    return chance


def chance_of_equivalent(difference: float, standard_error: Floats, degrees: Floats, margin: float) -> Floats:
    """Probability that both one-sided tests put the difference inside the margin."""
    critical = stats.t.ppf(1 - ALPHA, degrees)
    above = stats.t.cdf((margin - difference) / standard_error - critical, degrees)
    below = stats.t.cdf((margin + difference) / standard_error - critical, degrees)
    chance: Floats = np.maximum(0.0, above + below - 1)
    return chance


def settlement(
    difference: float, components: Components, patients: int, repeats: int, margin: float, comparisons: int
) -> Settlement:
    """Find how many repeats, or patients, would settle a pair.

    Args:
        difference: the estimate, taken for the truth.
        components: of this pair.
        patients: number of patients of the study.
        repeats: number of its repeats.
        margin: of equivalence, > 0.
        comparisons: number of pairs in the study's family.
    """
    degrees = components.degrees(patients, repeats)
    of_better = abs(difference) / stats.t.ppf(1 - ALPHA / comparisons / 2, degrees)  # standard error of an even chance
    of_equivalent = (margin - abs(difference)) / stats.t.ppf(1 - ALPHA, degrees)
    more_repeats = np.arange(repeats + 1, max(MOST_REPEATS, repeats + 1) + 1, dtype=np.float64)
    more_patients = np.unique(np.ceil(np.geomspace(patients + 1, max(MOST_PATIENTS, patients + 1), 600)))

    def chance(of_patients: Floats | float, of_repeats: Floats | float) -> Floats:
        standard_error = np.maximum(components.standard_error(of_patients, of_repeats), 1e-12)
        degrees = components.degrees(of_patients, of_repeats)
        better = chance_of_better(difference, standard_error, degrees, comparisons)
        equivalent = chance_of_equivalent(difference, standard_error, degrees, margin)
        return np.maximum(better, equivalent)

    return Settlement(
        by="better" if of_better >= of_equivalent else "equivalent",
        repeats=_range(more_repeats, chance(float(patients), more_repeats)),
        patients=_range(more_patients, chance(more_patients, float(repeats))),
        floor=components.floor(patients),
    )


def _range(numbers: Floats, chances: Floats) -> tuple[int, int | None] | None:
    """The first numbers with an even chance and with ``POWER``."""
    even, powerful = (np.flatnonzero(chances >= level) for level in (0.5, POWER))
    if not len(even):
        return None
    return int(numbers[even[0]]), int(numbers[powerful[0]]) if len(powerful) else None
