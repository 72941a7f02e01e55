"""Scores of studies whose truth is known, many data sets at once, and what the project's functions make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from scripts.studies.design import Design, run_codes, training_codes
from scripts.studies.estimation import clustered_variance, family_degrees, moments

ALPHA = 0.05


@dataclass(frozen=True)
class Noise:
    """Standard deviations of one loss's score: what patient, run, training set and the rest add to the loss's mean."""

    patient: float = 0.03
    run: float = 0.015
    training: float = 0.010
    residual: float = 0.02


@dataclass(frozen=True)
class Plan:
    """Size of a study. ``fixed``: all repeats have the same partition."""

    patients: int
    folds: int
    repeats: int
    fixed: bool = False

    def partitions(self, random):
        """(R, N) fold numbers."""
        balanced = np.arange(self.patients) % self.folds
        drawn = np.stack([random.permutation(balanced) for _ in range(self.repeats)])
        return np.repeat(drawn[:1], self.repeats, axis=0) if self.fixed else drawn

    def design(self, folds):
        """The clusters of the cells, flat; ``fixed`` studies by run, as if each run had its own training set."""
        patients = np.tile(np.arange(self.patients), self.repeats)
        kind = "one repeat" if self.repeats == 1 else "new partitions"
        return Design(kind, patients, run_codes(folds).reshape(-1))


def draw(noise, plan, folds, random, data_sets, effects, run_factors=None, skewed=False):
    """Scores (D, L, R, N): each loss's effect and noise of its own for patients, runs and training sets.

    ``run_factors``: by loss, multiplies the run's noise. ``skewed``: the patients' noise has the skewness 2.
    """
    losses = len(effects)
    runs = run_codes(folds)
    trainings = training_codes(folds, runs)
    sizes = (data_sets, losses)
    factors = np.ones(losses) if run_factors is None else np.asarray(run_factors)
    of_run = random.normal(0, noise.run, (*sizes, runs.max() + 1)) * factors[:, None]
    of_training = random.normal(0, noise.training, (*sizes, trainings.max() + 1))
    if skewed:
        of_patient = (random.exponential(1, (*sizes, 1, plan.patients)) - 1) * noise.patient
        of_patient[:, 1:] = 0  # the difference of two equally skewed ones would be symmetric
        of_patient *= np.sqrt(2)
    else:
        of_patient = random.normal(0, noise.patient, (*sizes, 1, plan.patients))
    rest = random.normal(0, noise.residual, (*sizes, *folds.shape))
    return np.asarray(effects)[:, None, None] + of_patient + of_run[..., runs] + of_training[..., trainings] + rest


def two_way(differences, design, here=None, family=False):
    """Mean, standard error and degrees of each data set: (..., R, N) -> (...) each; ``here`` (R N) says which count.

    ``family``: the degrees of what is corrected for several comparisons.
    """
    flat = differences.reshape(*differences.shape[:-2], -1)
    here = np.ones(flat.shape[-1], dtype=bool) if here is None else here
    parts = moments(flat[..., here], design.patients[here], design.trainings[here])
    variance, degrees = clustered_variance(parts, design.kind)
    if family:
        degrees = family_degrees(parts, design.kind, degrees)
    return parts.mean, np.sqrt(variance), degrees


def two_sided(mean, standard_error, degrees):
    """p-values of no difference."""
    return 2 * stats.t.sf(np.abs(mean) / standard_error, degrees)


def wilcoxon_p_values(values):
    """Two-sided p-values of the signed rank test by its normal approximation, without ties: (D, N) -> (D).

    Scipy's own takes minutes for this many data sets; a test holds the two against each other.
    """
    size = values.shape[1]
    ranks = np.abs(values).argsort(axis=1).argsort(axis=1) + 1
    positive = np.where(values > 0, ranks, 0).sum(axis=1)
    spread = np.sqrt(size * (size + 1) * (2 * size + 1) / 24)
    return 2 * stats.norm.sf(np.abs(positive - size * (size + 1) / 4) / spread)


def rival_p_values(differences, design):
    """p-values of what is usually done, by name: (D, R, N) -> (D) each."""
    flat = differences.reshape(len(differences), -1)
    by_patient = differences.mean(axis=1)
    member = np.eye(design.trainings.max() + 1)[design.trainings]
    by_run = flat @ member / member.sum(axis=0)
    return {
        "t over patients": stats.ttest_1samp(by_patient, 0, axis=1).pvalue,
        "Wilcoxon over patients": wilcoxon_p_values(by_patient),
        "t over runs": stats.ttest_1samp(by_run, 0, axis=1).pvalue,
    }


def bootstrap_claims(differences, design, random, resamples=500):
    """Whether a 95 % percentile interval excludes 0, by name: (D, R, N) -> (D) each."""
    flat = differences.reshape(len(differences), -1)
    size = flat.shape[1]

    def drawn(codes):
        count = codes.max() + 1
        return random.multinomial(count, np.full(count, 1 / count), size=resamples)[:, codes].astype(float)

    weights = {"bootstrap over patients": drawn(design.patients)}
    weights["crossed bootstrap"] = weights["bootstrap over patients"] * drawn(design.trainings)
    claims = {}
    for name, each in weights.items():
        assert each.shape == (resamples, size)
        means = each @ flat.T / each.sum(axis=1, keepdims=True)
        low, high = np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
        claims[name] = (low > 0) | (high < 0)
    return claims
