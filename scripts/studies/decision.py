"""The decision of a study: which loss is best, how sure that is, and what stays undecided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from .analysis import AgainstChosen, Analysis, LossResult, Pair
from .cautions import find_cautions
from .components import pooled
from .design import Design, find_design
from .estimation import Estimate, estimate
from .multiplicity import ALPHA, best_set, leader, rank_interval, regret_bounds, upper_bounds
from .pairs import clip, compare_pairs, difference_of
from .scores import Floats, ScoreTable
from .terms import Terms

DEFAULT_MARGIN = 0.01


def analyse(
    table: ScoreTable, margin: float = DEFAULT_MARGIN, reference: str | None = None, terms: Terms | None = None
) -> Analysis:
    """Compare the losses of a study.

    Args:
        table: scores of at least two losses.
        margin: smallest difference that matters, > 0, in the score's unit.
        reference: name of the loss that the others are compared with; None: all pairs are tested. With a reference the
            other pairs are exploratory.
        terms: what its cautions call the conditions and the units; None: words that are true of any study.

    Raises:
        UserError: the margin is not positive, the reference is no loss of the table, or two losses have no cell in
            common.
    """
    terms = terms or Terms()
    if not margin > 0:
        raise UserError(f"margin must be > 0, got {margin:g}: the smallest difference that matters")
    if reference is not None and reference not in table.losses:
        raise UserError(f"the reference {reference} is no condition of the study: it has {', '.join(table.losses)}")
    design = find_design(table)
    estimates = pair_estimates(table, design)
    pairs = compare_pairs(table, design, estimates, margin, reference)
    bounds = np.minimum(upper_bounds(estimates, len(table.losses) - 1), table.bounds[1] - table.bounds[0])
    regrets, may_be_best = regret_bounds(bounds), best_set(bounds)
    chosen = leader(differences(estimates))
    return Analysis(
        table=table,
        margin=margin,
        reference=reference,
        design=design.kind,
        losses=tuple(
            _loss_result(table, design, k, regrets[k], may_be_best[k], _ranks(table, pairs, k))
            for k in range(len(table.losses))
        ),
        pairs=pairs,
        chosen=table.losses[chosen],
        regret_bound=float(regrets[chosen]),
        best_set=tuple(loss for loss, may in zip(table.losses, may_be_best, strict=True) if may),
        against_chosen=_against(table, estimates, bounds, chosen),
        components=pooled([pair.components for pair in pairs]),
        cautions=find_cautions(table, design.kind, terms),
    )


def pair_estimates(table: ScoreTable, design: Design) -> list[list[Estimate | None]]:
    """[k][b]: estimate of loss k - loss b; None on the diagonal.

    Raises:
        UserError: two losses have no cell in common.
    """
    size = len(table.losses)
    found: list[list[Estimate | None]] = [[None] * size for _ in range(size)]
    for k in range(size):
        for b in range(k):
            each = estimate(difference_of(table, k, b), design)
            found[k][b], found[b][k] = each, each.negated()
    return found


def differences(estimates: Sequence[Sequence[Estimate | None]]) -> Floats:
    """The means alone, (L, L), -inf on the diagonal."""
    means: Floats = np.array([[-np.inf if each is None else each.mean for each in row] for row in estimates])
    return means


def _ranks(table: ScoreTable, pairs: Sequence[Pair], k: int) -> tuple[int, int]:
    """Rank interval from Holm over all pairs, whatever the study's family."""
    won = lost = 0
    for pair in pairs:
        if table.losses[k] in (pair.a, pair.b) and pair.p_holm_all <= ALPHA:
            ahead = (pair.estimate.mean > 0) == (pair.a == table.losses[k])
            won, lost = won + ahead, lost + (not ahead)
    return rank_interval(lost, won, len(table.losses))


def _loss_result(
    table: ScoreTable, design: Design, k: int, regret: float, may_be_best: bool, ranks: tuple[int, int]
) -> LossResult:
    values = table.values[k]
    own = estimate(values.reshape(-1), design)
    low, high = (clip(end, *table.bounds) for end in own.interval())
    common = ~np.isnan(table.values).any(axis=0)
    here = ~np.isnan(values)
    return LossResult(
        loss=table.losses[k],
        estimate=own,
        low=low,
        high=high,
        common_mean=float(values[common].mean()) if common.any() else float("nan"),
        repeat_means=tuple(
            float(row[there].mean()) if there.any() else float("nan") for row, there in zip(values, here, strict=True)
        ),
        runs=sum(len(np.unique(folds[there])) for folds, there in zip(table.folds, here, strict=True)),
        missing_runs=sum(loss == table.losses[k] for loss, _, _ in table.missing_runs),
        missed=table.missed[k],
        excluded=table.excluded[k],
        in_best_set=may_be_best,
        rank_low=ranks[0],
        rank_high=ranks[1],
        regret_bound=float(regret),
    )


def _against(
    table: ScoreTable, estimates: Sequence[Sequence[Estimate | None]], bounds: Floats, chosen: int
) -> tuple[AgainstChosen, ...]:
    found = []
    size = len(table.losses)
    span = table.bounds[1] - table.bounds[0]
    for k in range(size):
        each = estimates[k][chosen]
        if each is not None:
            reach = each.for_family().reach(1 - ALPHA / (size * (size - 1)))
            low, high = clip(each.mean - reach, -span, span), clip(each.mean + reach, -span, span)
            found.append(AgainstChosen(table.losses[k], each.mean, low, high, float(bounds[k, chosen])))
    return tuple(sorted(found, key=lambda against: -against.difference))
