"""The simulations behind the statistics of a study: each returns rates over many data sets of known truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy import stats

from scripts.studies.components import find_components
from scripts.studies.design import Design, run_codes, training_codes
from scripts.studies.race import LOOKS
from tests.studies.simulation import (
    ALPHA,
    Plan,
    bootstrap_claims,
    draw,
    rival_p_values,
    two_sided,
    two_way,
    wilcoxon_p_values,
)

CHUNK = 500


def chunks(data_sets):
    return [min(CHUNK, data_sets - at) for at in range(0, data_sets, CHUNK)]


def coverage(noise, plan, data_sets, seed, lost=0.0, skewed=False):
    """How often the 95 % interval of one pair holds the truth; ``lost``: the part of the runs that is missing."""
    random = np.random.default_rng(seed)
    held = []
    for size in chunks(data_sets):
        folds = plan.partitions(random)
        runs = run_codes(folds).reshape(-1)
        gone = random.choice(runs.max() + 1, size=round(lost * (runs.max() + 1)), replace=False)
        scores = draw(noise, plan, folds, random, size, [0.0, 0.0], skewed=skewed)
        p_values = two_sided(*two_way(scores[:, 0] - scores[:, 1], plan.design(folds), ~np.isin(runs, gone)))
        held.append(p_values > ALPHA)
    return float(np.concatenate(held).mean())


def familywise(noise, plan, data_sets, seed, losses=9, run_factors=None):
    """How often equal losses lead to any claim: two-way with Holm, and Wilcoxon with and without it."""
    random = np.random.default_rng(seed)
    claims = {"two-way clustered, Holm": 0, "Wilcoxon, Holm": 0, "Wilcoxon one-sided, uncorrected": 0}
    for size in chunks(data_sets):
        folds = plan.partitions(random)
        design = plan.design(folds)
        scores = draw(noise, plan, folds, random, size, np.zeros(losses), run_factors=run_factors)
        ours, wilcoxon = [], []
        for a, b in combinations(range(losses), 2):
            differences = scores[:, a] - scores[:, b]
            ours.append(two_sided(*two_way(differences, design, family=True)))
            wilcoxon.append(wilcoxon_p_values(differences.mean(axis=1)))
        pairs = len(ours)  # Holm claims anything if and only if its first step does
        claims["two-way clustered, Holm"] += int((np.min(ours, axis=0) <= ALPHA / pairs).sum())
        claims["Wilcoxon, Holm"] += int((np.min(wilcoxon, axis=0) <= ALPHA / pairs).sum())
        claims["Wilcoxon one-sided, uncorrected"] += int((np.min(wilcoxon, axis=0) <= 2 * ALPHA).sum())
    return {name: count / data_sets for name, count in claims.items()}


def regret(noise, plan, data_sets, seed, effects):
    """How often the true regret of the chosen loss lies within its bound, how often the best set holds the best."""
    random = np.random.default_rng(seed)
    effects = np.asarray(effects)
    within, best_kept = [], []
    for size in chunks(data_sets):
        folds = plan.partitions(random)
        design = plan.design(folds)
        scores = draw(noise, plan, folds, random, size, effects)
        chosen = scores.mean(axis=(2, 3)).argmax(axis=1)
        upper = upper_over(scores, chosen, design, len(effects) - 1)
        within.append(effects.max() - effects[chosen] <= np.maximum(0, upper.max(axis=1)) + 1e-12)
        best = np.full(size, effects.argmax())
        mean, standard_error, degrees = two_way(scores - scores[np.arange(size), best][:, None], design, family=True)
        lower = mean - stats.t.ppf(1 - ALPHA / (len(effects) - 1), degrees) * standard_error
        best_kept.append((lower <= 1e-12).all(axis=1))
    return {"within": float(np.concatenate(within).mean()), "best kept": float(np.concatenate(best_kept).mean())}


def upper_over(scores, chosen, design, comparisons):
    """Upper bounds (D, L) of each loss over the chosen one (D); the chosen one's own is -inf."""
    rows = np.arange(len(scores))
    mean, standard_error, degrees = two_way(scores - scores[rows, chosen][:, None], design, family=True)
    upper = mean + stats.t.ppf(1 - ALPHA / comparisons, degrees) * standard_error
    upper[rows, chosen] = -np.inf
    return upper


def predicted_ratio(noise, plan, other, data_sets, seed):
    """Standard error that the components of one study predict for another, over the true one: the median."""
    random = np.random.default_rng(seed)
    ratios = []
    truth = 2 * (noise.patient**2 / other.patients + noise.residual**2 / (other.patients * other.repeats))
    truth += 2 * (noise.run**2 + noise.training**2) / (other.folds * other.repeats)
    for size in chunks(data_sets):
        folds = plan.partitions(random)
        design = plan.design(folds)
        scores = draw(noise, plan, folds, random, size, [0.0, 0.0])
        for differences in (scores[:, 0] - scores[:, 1]).reshape(size, -1):
            found = find_components(differences, design, plan.folds)
            ratios.append(float(found.standard_error(other.patients, other.repeats)) / truth**0.5)
    return float(np.median(ratios))


def power(noise, plan, data_sets, seed, difference, comparisons=1):
    """How often a true difference is shown at the level .05 / comparisons."""
    random = np.random.default_rng(seed)
    shown = []
    for size in chunks(data_sets):
        folds = plan.partitions(random)
        scores = draw(noise, plan, folds, random, size, [difference, 0.0])
        p_values = two_sided(*two_way(scores[:, 0] - scores[:, 1], plan.design(folds)))
        shown.append(p_values <= ALPHA / comparisons)
    return float(np.concatenate(shown).mean())


def false_positives(noise, plan, data_sets, seed):
    """How often two equal losses are called different at 5 %, by method; fixed folds also with the project's remedy."""
    random = np.random.default_rng(seed)
    claims = {}
    for size in chunks(data_sets):
        folds = plan.partitions(random)
        design = plan.design(folds)
        scores = draw(noise, plan, folds, random, size, [0.0, 0.0])
        differences = scores[:, 0] - scores[:, 1]
        found = {name: p <= ALPHA for name, p in rival_p_values(differences, design).items()}
        found |= bootstrap_claims(differences, design, random)
        found["two-way clustered by patient and run"] = two_sided(*two_way(differences, design)) <= ALPHA
        if plan.fixed:
            by_fold = Design("fixed folds", design.patients, training_codes(folds, run_codes(folds)).reshape(-1))
            found["clustered by fold"] = two_sided(*two_way(differences, by_fold)) <= ALPHA
        for name, each in found.items():
            claims.setdefault(name, []).append(each)
    return {name: float(np.concatenate(each).mean()) for name, each in claims.items()}


def race(noise, patients, data_sets, seed, effects, margin=0.01, folds=5):
    """Regret within the bound, cost in loss-repeats (the full grid: L times 5) and how often the best one is chosen."""
    random = np.random.default_rng(seed)
    effects = np.asarray(effects)
    plan = Plan(patients, folds, LOOKS[-1])
    comparisons = len(LOOKS) * (len(effects) - 1)
    within, costs, regrets = [], [], []
    for size in chunks(data_sets):
        partitions = plan.partitions(random)
        scores = draw(noise, plan, partitions, random, size, effects)
        alive = np.ones((size, len(effects)), dtype=bool)
        held = []
        cost, done = np.zeros(size), 0
        leader = np.zeros(size, dtype=int)
        for repeats in LOOKS:
            running = alive.sum(axis=1) > 1
            cost += np.where(running, alive.sum(axis=1) * (repeats - done), 0)
            done = repeats
            part, design = scores[:, :, :repeats], Plan(patients, folds, repeats).design(partitions[:repeats])
            means = np.where(alive, part.mean(axis=(2, 3)), -np.inf)
            leader = np.where(running, means.argmax(axis=1), leader)
            held.append((part, design, alive & running[:, None]))
            over = upper_over(part, leader, design, comparisons)
            dropped = (over <= margin) & running[:, None]
            dropped[np.arange(size), leader] = False
            alive = alive & ~dropped
        least = np.full((size, len(effects)), np.inf)
        for part, design, seen in held:
            least = np.where(seen, np.minimum(least, upper_over(part, leader, design, comparisons)), least)
        least[np.arange(size), leader] = -np.inf
        true_regret = effects.max() - effects[leader]
        within.append(true_regret <= np.maximum(0, least.max(axis=1)) + 1e-12)
        costs.append(cost)
        regrets.append(true_regret)
    regrets = np.concatenate(regrets)
    return {
        "within": float(np.concatenate(within).mean()),
        "cost": float(np.concatenate(costs).mean()),
        "best": float((regrets <= 1e-12).mean()),
        "regret": float(regrets.mean()),
    }
