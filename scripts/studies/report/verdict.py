"""The answer in a few sentences that a physician understands, and "undecided" where that is the answer."""

from __future__ import annotations

import math

from ..analysis import Analysis, Pair
from ..power import Settlement
from .convergence_words import convergence_sentence
from .record import StudyRecord
from .tables import number
from .words import count, listed


def verdict(study: StudyRecord, analysis: Analysis) -> list[str]:
    """The sentences at the head of the report: what to do, how sure that is, what stays open and what would settle it.

    Where the study was a race, the bound counts the losses that were dropped.
    """
    chosen, bound = chosen_and_bound(study, analysis)
    if not has_intervals(analysis):
        return [
            f"No {study.terms.thing} can be recommended from these scores: {chosen} has the highest mean "
            f"({number(analysis.loss(chosen).estimate.mean)}), which one training by chance may give as well.",
            *filter(None, [convergence_sentence(study)]),
            f"Train every {study.terms.thing} again on other partitions of the {study.terms.parts} (at least three "
            "repeats), and ask again.",
        ]
    warning = convergence_sentence(study)
    sentences = [_headline(analysis, chosen, bound), *([warning] if warning else [])]
    sentences.append(_bound_sentence(study, analysis, bound))
    if analysis.reference is not None and analysis.reference != chosen:
        sentences.append(pair_sentence(study, analysis, chosen, analysis.reference))
    elif analysis.reference is None or analysis.reference == chosen:
        rival = closest_rival(analysis, chosen)
        sentences.append(pair_sentence(study, analysis, chosen, rival))
    return [*sentences, *_others(study, analysis, chosen)]


def chosen_and_bound(study: StudyRecord, analysis: Analysis) -> tuple[str, float]:
    """The loss to train with, and how much another may be better with 95 % confidence."""
    if study.race is not None and study.race.chosen is not None and study.race.regret_bound is not None:
        return study.race.chosen, study.race.regret_bound
    return analysis.chosen, analysis.regret_bound


def has_intervals(analysis: Analysis) -> bool:
    """Whether any difference has an interval: with one run a loss, or too few patients, none has."""
    return any(math.isfinite(pair.estimate.standard_error) for pair in analysis.pairs)


def closest_rival(analysis: Analysis, chosen: str) -> str:
    """The loss that comes nearest to the chosen one: of the undecided pairs first."""
    pairs = [analysis.pair(chosen, loss) for loss in analysis.table.losses if loss != chosen]
    return min(pairs, key=lambda pair: (pair.verdict != "undecided", pair.estimate.mean)).b


def is_settled(analysis: Analysis, chosen: str, bound: float) -> bool:
    """Whether the choice is safe: no other loss may be the best, or none can be better by more than the margin."""
    return analysis.best_set == (chosen,) or bound <= analysis.margin


def pair_sentence(study: StudyRecord, analysis: Analysis, first: str, second: str) -> str:
    """What is known of two losses, with the interval that the claim rests on, and what would settle an open one."""
    pair = analysis.pair(first, second)
    named = f"the reference {second}" if second == analysis.reference else second
    if pair.verdict == "equivalent":
        interval = between(pair.estimate.mean, pair.equivalence_low, pair.equivalence_high, 90)
        return f"{first} and {named} are equivalent: they differ by less than {number(analysis.margin)} ({interval})."
    if pair.better is not None:
        winner, loser = (first, named) if pair.better == first else (named, first)
        shown = pair if pair.better == first else analysis.pair(second, first)
        wide = pair.verdict == "better by more than the margin"
        more = f", by more than the margin of {number(analysis.margin)}" if wide else ""
        return f"{winner} is better than {loser}{more} ({between(shown.estimate.mean, shown.low, shown.high)})."
    interval = between(*open_interval(analysis, pair))
    return f"Whether {first} beats {named} is undecided ({interval}); {settling(study, pair)}."


def open_interval(analysis: Analysis, pair: Pair) -> tuple[float, float, float]:
    """Difference and interval of an undecided pair: the simultaneous one where the chosen loss is in it."""
    for other in analysis.against_chosen:
        if (analysis.chosen, other.loss) == (pair.a, pair.b):
            return -other.difference, -other.high, -other.low
        if (analysis.chosen, other.loss) == (pair.b, pair.a):
            return other.difference, other.low, other.high
    return pair.estimate.mean, pair.low, pair.high


def between(difference: float, low: float, high: float, level: int = 95) -> str:
    """E.g. "+0.004, 95 % interval -0.003 to +0.011"."""
    ends = f"{number(low, signed=True)} to {number(high, signed=True)}"
    return f"{number(difference, signed=True)}, {level} % interval {ends}"


def settling(study: StudyRecord, pair: Pair) -> str:
    """What would settle an undecided pair, as the end of a sentence."""
    settlement = pair.settlement
    if settlement is None:
        parts = study.terms.parts
        return f"what would settle it can't be said from this design; new partitions of the {parts} would tell"
    ways = [way for way in (_repeats(settlement), _patients(study, settlement)) if way]
    if not ways:
        units = study.terms.units
        return f"no number of repeats settles it with these {units}, nor any number of {units} within reach"
    tail = "" if settlement.repeats else f" (no number of repeats does with these {study.terms.units})"
    return f"{' or '.join(ways)} would settle it{tail}"


def _repeats(settlement: Settlement) -> str:
    return f"{_range(settlement.repeats)} repeats in all" if settlement.repeats else ""


def _patients(study: StudyRecord, settlement: Settlement) -> str:
    return f"{_range(settlement.patients)} {study.terms.units} in all" if settlement.patients else ""


def _range(ends: tuple[int, int | None]) -> str:
    low, high = ends
    return f"about {low:,}" if low == high else f"more than {low:,}" if high is None else f"{low:,} to {high:,}"


def _headline(analysis: Analysis, chosen: str, bound: float) -> str:
    if is_settled(analysis, chosen, bound):
        return f"Train with {chosen}."
    return f"Undecided. {chosen} is ahead: train with it until more is known."


def _bound_sentence(study: StudyRecord, analysis: Analysis, bound: float) -> str:
    others, terms = len(analysis.table.losses) - 1, study.terms
    dropped = ", those dropped on the way included," if study.race is not None and _dropped(study) else ""
    if bound >= analysis.table.bounds[1] - analysis.table.bounds[0]:
        return f"How much better another {terms.thing} may be can't be said: the scores leave every difference open."
    one, several = f"the other {terms.thing}", f"none of the {others} other {terms.things}{dropped}"
    if bound <= 0:
        none = f"{one} is not" if others == 1 else f"{several} is"
        return f"With 95 % confidence {none} better in {study.primary}."
    which = f"{one} does not beat it" if others == 1 else f"{several} beats it"
    safe = (
        f", which is within the margin of {number(analysis.margin)} that matters here"
        if bound <= analysis.margin
        else f"; the margin that matters here is {number(analysis.margin)}"
    )
    return f"With 95 % confidence {which} by more than {number(rounded_up(bound))} in {study.primary}{safe}."


def rounded_up(bound: float) -> float:
    """A bound with three decimals that still holds."""
    return math.ceil(round(1000 * bound, 6)) / 1000


def _dropped(study: StudyRecord) -> bool:
    return study.race is not None and len(study.race.alive) < len(study.race.losses)


def _others(study: StudyRecord, analysis: Analysis, chosen: str) -> list[str]:
    """How many losses may still be the best, where that is more than the pair already named says."""
    rest = [loss for loss in analysis.best_set if loss != chosen]
    if len(rest) < 2:
        return []
    if len(rest) == len(analysis.table.losses) - 1:
        return [f"Each of the {len(rest) + 1} {study.terms.things} may be the best."]
    return [f"{count(len(rest), f'other {study.terms.thing}')} may be the best: {listed(rest)}."]
