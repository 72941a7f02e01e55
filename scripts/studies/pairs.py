"""Every pair of losses: the difference, its tests and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy import stats

from ..errors import UserError
from .analysis import Pair, Verdict
from .cautions import patient_means
from .components import Components, find_components
from .cross_check import crossed_bootstrap
from .design import Design
from .estimation import Estimate
from .multiplicity import ALPHA, holm
from .power import Settlement, settlement
from .scores import Floats, ScoreTable


def difference_of(table: ScoreTable, a: int, b: int) -> Floats:
    """Differences a - b of each cell, (R N), NaN where one of them has no score.

    Raises:
        UserError: there is no cell that both have.
    """
    difference: Floats = (table.values[a] - table.values[b]).reshape(-1)
    if np.isnan(difference).all():
        raise UserError(
            f"conditions {table.losses[a]} and {table.losses[b]} have no case of the same repeat in common: "
            "run what is missing, or leave one of them out"
        )
    return difference


def compare_pairs(
    table: ScoreTable,
    design: Design,
    estimates: Sequence[Sequence[Estimate | None]],
    margin: float,
    reference: str | None,
) -> tuple[Pair, ...]:
    """Compare each loss with each later one.

    Args:
        table: the scores.
        design: their clusters.
        estimates: [k][b] of k - b.
        margin: smallest difference that matters, > 0.
        reference: the loss whose L - 1 pairs are tested, the rest being exploratory; None: all pairs.
    """
    places = list(combinations(range(len(table.losses)), 2))
    found = [each for a, b in places if (each := estimates[a][b]) is not None]
    tested = [reference is None or reference in (table.losses[a], table.losses[b]) for a, b in places]
    together = [each.for_family() for each in found]
    p_all = holm([each.p_value() for each in together])
    p_family = _within(tested, [each.p_value() for each in together])
    p_margin = _within(tested, [each.p_value(margin) for each in together])
    pairs = []
    for at, (a, b) in enumerate(places):
        pairs.append(
            _pair(table, design, (a, b), found[at], (p_family[at], p_margin[at], p_all[at]), margin, sum(tested))
        )
    return tuple(pairs)


def clip(value: float, low: float, high: float) -> float:
    """The nearest possible value: an interval cannot leave the range of the score."""
    return min(max(value, low), high)


def _within(tested: Sequence[bool], p_values: Sequence[float]) -> list[float]:
    """Holm over the tested pairs; NaN for the others."""
    adjusted = iter(holm([value for value, is_tested in zip(p_values, tested, strict=True) if is_tested]))
    return [next(adjusted) if is_tested else float("nan") for is_tested in tested]


def _pair(
    table: ScoreTable,
    design: Design,
    places: tuple[int, int],
    found: Estimate,
    adjusted: tuple[float, float, float],
    margin: float,
    comparisons: int,
) -> Pair:
    a, b = places
    span = table.bounds[1] - table.bounds[0]
    cells = difference_of(table, a, b)
    low, high = (clip(end, -span, span) for end in found.interval(1 - ALPHA))
    inner_low, inner_high = (clip(end, -span, span) for end in found.interval(1 - 2 * ALPHA))
    within = bool(np.isfinite(found.standard_error)) and -margin < inner_low and inner_high < margin
    verdict = _verdict(adjusted[0], adjusted[1], within)
    is_better = verdict.startswith("better")
    bootstrap = crossed_bootstrap(cells, design)
    components = find_components(cells, design, table.num_folds)
    return Pair(
        a=table.losses[a],
        b=table.losses[b],
        estimate=found,
        low=low,
        high=high,
        equivalence_low=inner_low,
        equivalence_high=inner_high,
        p_value=found.p_value(),
        p_holm=adjusted[0],
        p_margin_holm=adjusted[1],
        p_holm_all=adjusted[2],
        verdict=verdict,
        better=table.losses[a if found.mean > 0 else b] if is_better else None,
        within_margin=within,
        bootstrap_low=bootstrap[0],
        bootstrap_high=bootstrap[1],
        wilcoxon_p=_wilcoxon(patient_means(table, cells.reshape(table.folds.shape))),
        components=components,
        settlement=_settlement(verdict, found, components, table, margin, comparisons),
    )


def _verdict(p_holm: float, p_margin: float, within: bool) -> Verdict:
    if np.isnan(p_holm):
        return "exploratory"
    if p_margin <= ALPHA:
        return "better by more than the margin"
    if p_holm <= ALPHA:
        return "better"
    return "equivalent" if within else "undecided"


def _settlement(
    verdict: Verdict,
    found: Estimate,
    components: Components | None,
    table: ScoreTable,
    margin: float,
    comparisons: int,
) -> Settlement | None:
    if verdict != "undecided" or components is None:
        return None
    return settlement(found.mean, components, found.patients, len(table.repeats), margin, comparisons)


def _wilcoxon(means: Floats) -> float:
    """Two-sided p-value of Wilcoxon's signed rank test; 1 where all are 0."""
    if len(means) < 2 or not np.any(means):
        return 1.0
    return float(stats.wilcoxon(means, method="approx" if len(means) > 50 else "auto").pvalue)
