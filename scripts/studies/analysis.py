"""What an analysis of a study found; ``decision.analyse`` makes it, the report prints it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .cautions import Caution
from .components import Components
from .design import Kind
from .estimation import Estimate
from .power import Settlement
from .scores import ScoreTable

Verdict = Literal["better by more than the margin", "better", "equivalent", "undecided", "exploratory"]


@dataclass(frozen=True)
class LossResult:
    """One loss by itself.

    Args:
        loss: its name.
        estimate: mean over its own cases and repeats, with its clustered standard error.
        low: lower end of the mean's 95 % interval.
        high: upper end.
        common_mean: mean over the cells that every loss has: comparable when runs are missing; NaN if there are none.
        repeat_means: mean of each repeat (R), NaN where the loss has no run in it.
        runs: number of its runs.
        missing_runs: number of its runs that another loss has and it lacks.
        missed: number of scores that are exactly 0.
        excluded: number of tested cases without a score.
        in_best_set: no other loss is shown to be better (simultaneous 95 % confidence).
        rank_low: best rank that the comparisons leave possible, 1 to L.
        rank_high: worst rank that they leave possible.
        regret_bound: with 95 % confidence no other loss is better by more than this, >= 0.
    """

    loss: str
    estimate: Estimate
    low: float
    high: float
    common_mean: float
    repeat_means: tuple[float, ...]
    runs: int
    missing_runs: int
    missed: int
    excluded: int
    in_best_set: bool
    rank_low: int
    rank_high: int
    regret_bound: float


@dataclass(frozen=True)
class Pair:
    """The comparison of loss ``a`` with loss ``b``; ``Analysis.pair`` turns it either way round.

    Args:
        a: one loss.
        b: another.
        estimate: of a - b over the cells that both have.
        low: lower end of the 95 % interval of this pair alone.
        high: its upper end.
        equivalence_low: lower end of the 90 % interval, which the test of equivalence (TOST) compares with the margin.
        equivalence_high: its upper end.
        p_value: of "no difference", for this pair alone.
        p_holm: the same after Holm over the pairs that the study tests; NaN for an exploratory pair.
        p_margin_holm: of "the difference is at most the margin", after Holm; NaN for an exploratory pair.
        p_holm_all: after Holm over all pairs, whatever the study tests: what the rank intervals are made of.
        verdict: about the better of the two; see ``better``.
        better: name of the loss that is better, None unless the verdict says so.
        within_margin: the 90 % interval lies inside the margin, whatever the verdict.
        bootstrap_low: lower end of the 95 % interval of a bootstrap over patients and runs, a check; NaN with one run.
        bootstrap_high: its upper end.
        wilcoxon_p: Wilcoxon's signed rank test over patients' means. A description only: it claims false differences.
        components: where the noise of a - b comes from; None when the design cannot tell (one repeat, fixed folds).
        settlement: what would settle an undecided pair; None for a settled one or without components.
    """

    a: str
    b: str
    estimate: Estimate
    low: float
    high: float
    equivalence_low: float
    equivalence_high: float
    p_value: float
    p_holm: float
    p_margin_holm: float
    p_holm_all: float
    verdict: Verdict
    better: str | None
    within_margin: bool
    bootstrap_low: float
    bootstrap_high: float
    wilcoxon_p: float
    components: Components | None
    settlement: Settlement | None

    def reversed(self) -> Pair:
        """The same comparison as b - a."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            estimate=self.estimate.negated(),
            low=-self.high,
            high=-self.low,
            bootstrap_low=-self.bootstrap_high,
            bootstrap_high=-self.bootstrap_low,
            equivalence_low=-self.equivalence_high,
            equivalence_high=-self.equivalence_low,
        )


@dataclass(frozen=True)
class AgainstChosen:
    """A loss against the chosen one, for the forest plot: ``loss`` - chosen.

    Args:
        loss: the other loss.
        difference: estimate of loss - chosen.
        low: lower end of a 95 % interval that holds for all pairs together (Bonferroni), so also after a choice.
        high: its upper end.
        upper: with 95 % confidence, for all others together, the loss is not better than the chosen one by more than
            this (one-sided, so below ``high``); the largest, at least 0, is the chosen loss's regret bound.
    """

    loss: str
    difference: float
    low: float
    high: float
    upper: float


@dataclass(frozen=True)
class Analysis:
    """All that a study's scores say.

    Args:
        table: the scores.
        margin: smallest difference that matters, in the score's unit.
        reference: the loss that the study compares the others with; None: all pairs.
        design: how the runs relate: see ``design.Design.kind``.
        losses: results of each loss, in the table's order.
        pairs: all L (L - 1) / 2 pairs, a before b in the table's order.
        chosen: the loss to train with: the one that no other exceeds in the estimates.
        regret_bound: of the chosen loss.
        best_set: losses not shown to be worse than another, in the table's order.
        against_chosen: the L - 1 others, best first.
        components: mean over all pairs; None when the design cannot tell.
        cautions: limits of what this study can say.
    """

    table: ScoreTable
    margin: float
    reference: str | None
    design: Kind
    losses: tuple[LossResult, ...]
    pairs: tuple[Pair, ...]
    chosen: str
    regret_bound: float
    best_set: tuple[str, ...]
    against_chosen: tuple[AgainstChosen, ...]
    components: Components | None
    cautions: tuple[Caution, ...]

    def loss(self, name: str) -> LossResult:
        """The results of one loss."""
        return self.losses[self.table.index(name)]

    def pair(self, a: str, b: str) -> Pair:
        """The comparison a - b, whichever way round it is stored."""
        for pair in self.pairs:
            if (pair.a, pair.b) == (a, b):
                return pair
            if (pair.a, pair.b) == (b, a):
                return pair.reversed()
        raise KeyError((a, b))
