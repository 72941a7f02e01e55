"""The tables of a comparison: every loss by itself, and every pair."""

from __future__ import annotations

import math

import numpy as np

from ..analysis import Analysis, LossResult, Pair
from ..estimation import Estimate
from ..terms import Terms
from .tables import Cell, Table


def ranks(result: LossResult) -> str:
    """The ranks that the comparisons leave possible, e.g. "1 to 3"."""
    if result.rank_low == result.rank_high:
        return str(result.rank_low)
    return f"{result.rank_low} to {result.rank_high}"


def by_mean(analysis: Analysis) -> list[LossResult]:
    """The losses, the highest mean first."""
    return sorted(analysis.losses, key=lambda result: -result.estimate.mean)


def loss_table(analysis: Analysis, primary: str, terms: Terms) -> Table:
    """Every loss: mean with its interval, ranks left possible, how much another may be better, runs and scores of 0.

    Where runs are missing, a column gives the mean over what every loss has.
    """
    incomplete = any(result.missing_runs for result in analysis.losses)
    several = len(analysis.table.repeats) > 1
    columns = [terms.thing, "mean", "95 % low", "95 % high", *(["SD of repeats"] if several else [])]
    columns += ["mean over common cases"] if incomplete else []
    columns += ["may be best", "rank", "others may be better by", "runs", "scores of 0"]
    rows: list[list[Cell]] = []
    for result in by_mean(analysis):
        row: list[Cell] = [result.loss, result.estimate.mean, *_known(result.estimate, result.low, result.high)]
        row += [_deviation(result)] if several else []
        row += [result.common_mean] if incomplete else []
        row += ["yes" if result.in_best_set else "no", ranks(result)]
        row += [*_known(result.estimate, result.regret_bound), result.runs, result.missed]
        rows.append(row)
    note = (
        f"Low and high: 95 % interval of the mean, over {terms.units} and trainings. May be best: no other "
        f"{terms.thing} is shown to be better (95 % for all together). A missed object scores 0 and counts."
    )
    strong = [number for number, row in enumerate(rows) if row[0] == analysis.chosen]
    digits = {"others may be better by": 4}
    return Table("scores", f"Every {terms.thing}: {primary}", columns, rows, digits=digits, strong=strong, note=note)


def pair_table(analysis: Analysis, terms: Terms) -> Table:
    """Every pair: difference, its own interval, p-values and verdict."""
    columns = ["first", "second", "difference", "95 % low", "95 % high", "p", "p (Holm)", "verdict", "better"]
    columns += ["bootstrap low", "bootstrap high", "p of Wilcoxon, description only"]
    rows: list[list[Cell]] = [
        [
            *(pair.a, pair.b, pair.estimate.mean),
            *_known(pair.estimate, pair.low, pair.high),
            *(pair.p_value, pair.p_holm),
            *(described(pair), pair.better, pair.bootstrap_low, pair.bootstrap_high, pair.wilcoxon_p),
        ]
        for pair in analysis.pairs
    ]
    note = (
        "Difference: first - second. The verdict rests on Holm's p over all tested pairs; the interval is that of the "
        f"pair alone, a bootstrap over {terms.units} and runs its check. Wilcoxon's test over {terms.units} takes no "
        "account of training noise and claims differences that are not there."
    )
    digits = dict.fromkeys(("p", "p (Holm)", columns[-1]), 4)
    signed = ("difference", "95 % low", "95 % high", "bootstrap low", "bootstrap high")
    return Table("pairs", f"Every pair of {terms.things}", columns, rows, digits=digits, signed=signed, note=note)


def described(pair: Pair) -> str:
    """The verdict on a pair, and whether a difference that was shown is too small to matter."""
    if pair.better is not None and pair.within_margin:
        return f"{pair.verdict}, within the margin"
    return pair.verdict


def simultaneous_table(analysis: Analysis, terms: Terms) -> Table:
    """The numbers of the forest plot: each loss against the chosen one."""
    rows: list[list[Cell]] = [
        [
            *(other.loss, other.difference),
            *_known(analysis.pair(other.loss, analysis.chosen).estimate, other.low, other.high, other.upper),
        ]
        for other in analysis.against_chosen
    ]
    columns = [terms.thing, "difference", "95 % low, all pairs", "95 % high, all pairs", "upper bound"]
    return Table(
        "against_chosen",
        f"Each {terms.thing} against {analysis.chosen}",
        columns,
        rows,
        signed=columns[1:],
        note=f"Difference: {terms.thing} - chosen. Low and high hold for all pairs together, the upper bound for all "
        "others.",
    )


def _known(estimate: Estimate, *ends: float) -> list[float]:
    """Ends of intervals, NaN where there is no interval: they would be those of the score's range."""
    return [end if math.isfinite(estimate.standard_error) else math.nan for end in ends]


def _deviation(result: LossResult) -> float:
    means = np.array([mean for mean in result.repeat_means if not np.isnan(mean)])
    return float(means.std(ddof=1)) if len(means) > 1 else float("nan")
