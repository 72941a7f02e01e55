"""Sections on the comparison itself: intervals, pairs, the table, patients, noise."""

from __future__ import annotations

import math

from ..analysis import Pair
from ..components import Components
from .blocks import Block, Caution, Numbers, Picture, Section, Text
from .context import Context
from .forest import draw_forest, draw_significance
from .noise import draw_noise, shares
from .paper_layout import paper_blocks
from .patients import draw_differences, draw_pair, patient_scores
from .run_sections import race_table
from .standing import loss_table, pair_table, simultaneous_table
from .svg import to_svg
from .tables import Cell, Table, number
from .verdict import has_intervals
from .words import count, listed


def forest_section(context: Context) -> Section:
    """Every loss against the chosen one, the set of the best and the ranks left possible."""
    analysis, study, terms = context.analysis, context.study, context.terms
    best = listed(list(analysis.best_set))
    chosen = analysis.chosen
    picture = Picture(
        to_svg(
            draw_forest(analysis, context.styles),
            "forest",
            f"Difference of each {terms.thing} to {chosen}, with intervals",
        ),
        f"Difference in {study.primary} to {chosen}.",
        f"A dot left of the line: worse than {chosen}. The bars are 95 % intervals that hold for all pairs together; "
        f"a bar that crosses the line leaves open which {terms.thing} is better, unless the test of the next section, "
        f"a little sharper, tells. Shaded: differences of at most {number(analysis.margin)}, which do not matter here. "
        "Bold: may be the best. Right: the ranks that remain possible.",
    )
    text = (
        f"{best} is the only {terms.thing} that may be the best."
        if len(analysis.best_set) == 1
        else f"With 95 % confidence the best {terms.thing} is one of {len(analysis.best_set)} {terms.things}: {best}."
    )
    if has_intervals(analysis):
        blocks: list[Block] = [Text(text), picture]
    else:
        blocks = [Text("No interval can be given from these scores, so there is nothing to draw.")]
    blocks.append(Numbers(simultaneous_table(analysis, terms), folded=True))
    race = race_table(study)
    return Section("forest", f"How far apart are the {terms.things}?", [*blocks, *([Numbers(race)] if race else [])])


def map_section(context: Context) -> Section:
    """What is known of every pair."""
    analysis, terms = context.analysis, context.terms
    tested = "each against the reference" if analysis.reference else "all pairs"
    picture = Picture(
        to_svg(
            draw_significance(analysis),
            "map",
            f"Matrix of all pairs of {terms.things}: better, worse, equivalent, undecided",
        ),
        "Each row against each column.",
        f"+ better, ++ better by more than the margin, - and -- the same for worse, = equivalent, ? undecided, "
        f"· not tested (exploratory). Corrected by Holm's method over {tested}: the chance of any false + or - in the "
        "whole map is at most 5 %.",
    )
    blocks: list[Block] = [picture, *_check(context), Numbers(pair_table(analysis, terms), folded=True)]
    return Section("pairs", "Which differences are shown?", blocks)


def _check(context: Context) -> list[Block]:
    """The interval of the pair that matters most by another way."""
    analysis = context.analysis
    pair = analysis.pair(context.chosen, context.rival)
    low, high = pair.bootstrap_low, pair.bootstrap_high
    if not math.isfinite(low) or not math.isfinite(pair.estimate.standard_error):
        return []
    alone = ", not widened for the other pairs," if len(analysis.pairs) > 1 else ""
    return [
        Text(
            f"A check by another way: for {pair.a} - {pair.b} a bootstrap over {context.terms.units} and runs gives "
            f"{number(low, signed=True)} to {number(high, signed=True)}; the interval of this pair by "
            f"itself{alone} is {number(pair.low, signed=True)} to {number(pair.high, signed=True)}."
        )
    ]


def table_section(context: Context) -> Section:
    """The losses' scores, also in the layout of the paper where the study repeats one of its tables."""
    table = loss_table(context.analysis, context.study.primary, context.terms)
    return Section("scores", "The scores", [Numbers(table), *paper_blocks(context)])


def patients_section(context: Context) -> Section:
    """One dot per independent unit."""
    analysis, terms, unit = context.analysis, context.terms, context.terms.unit
    scores = patient_scores(analysis.table)
    losses, chosen, rival = analysis.table.losses, context.chosen, context.rival
    order = {other.loss: place for place, other in enumerate(analysis.against_chosen)}
    others = sorted((loss for loss in losses if loss != chosen), key=lambda loss: order.get(loss, -1))
    differences, beyond = draw_differences(scores, losses, chosen, others, context.styles)
    repeats = len(analysis.table.repeats)
    pair, below = draw_pair(scores, losses, chosen, rival, context.styles[chosen])
    faint = f" Faint: its {repeats} repeats." if repeats > 1 else ""
    blocks: list[Block] = [
        Picture(
            to_svg(
                differences,
                "differences",
                f"Difference {chosen} minus each other {terms.thing} for every {unit}",
            ),
            f"{chosen} against every other {terms.thing}, {unit} by {unit}.",
            f"Right of the line: this {unit} is segmented better with {chosen}. One dot a {unit}.{faint} A cross: "
            f"one of the two scored 0. The upright bar is the mean.{_on_edge(beyond)} Heights within a "
            "row mean nothing.",
        ),
        Picture(
            to_svg(pair, "pair", f"Score of every {unit} with {chosen} over its score with {rival}"),
            f"{chosen} and {rival}, {unit} by {unit}.",
            f"Above the line: better with {chosen}. Low and left: hard {terms.units} for both.{faint}{_on_edge(below)}",
        ),
    ]
    return Section("patients", f"{unit.capitalize()} by {unit}", blocks)


def _on_edge(points: int) -> str:
    return f" {count(points, 'point')} beyond the edge {'is' if points == 1 else 'are'} drawn on it." if points else ""


def noise_section(context: Context) -> Section:
    """Parts of the noise, and how the interval shrinks."""
    analysis, chosen, terms = context.analysis, context.chosen, context.terms
    pairs = [analysis.pair(chosen, loss) for loss in analysis.table.losses if loss != chosen]
    known = [(pair, pair.components) for pair in pairs if pair.components is not None]
    if not known:
        text = (
            "Where the noise is can't be said: it takes at least two repeats, each with a new partition into at least "
            "two folds."
        )
        return Section("noise", "Where the noise is", [Caution(text)])
    pair, components = next(((p, c) for p, c in known if p.b == context.rival), known[0])
    patients, repeats = pair.estimate.patients, len(analysis.table.repeats)
    drawing = draw_noise(components, patients, repeats, analysis.margin, terms)
    by_patient, by_training, _rest = shares(components, patients, repeats)
    advice = (
        f"More {terms.units} help more than more repeats."
        if by_patient > by_training
        else f"More repeats help more than more {terms.units}."
    )
    picture = Picture(
        to_svg(drawing, "noise", f"Parts of the noise of {pair.a} minus {pair.b}, and its interval over repeats"),
        f"Noise of the difference {pair.a} - {pair.b}.",
        f"Above: its parts. {terms.units.capitalize()}: each {terms.thing} suits some better than others. Trainings: "
        f"first weights, order and training set. Below: half of this pair's 95 % interval after so many repeats"
        f"{_floor(components.floor(patients), terms.units)}. {advice}",
    )
    return Section("noise", "Where the noise is", [picture, Numbers(_component_table(context, known), folded=True)])


def _floor(least: float, units: str) -> str:
    """What repeats can't reach, where it is not so small that its digits are all 0."""
    if number(least) == number(0.0):
        return ""
    return f"; with these {units} no number of repeats gets the standard error below {number(least)}"


def _component_table(context: Context, known: list[tuple[Pair, Components]]) -> Table:
    rows: list[list[Cell]] = [
        [
            *(pair.a, pair.b, pair.estimate.standard_error),
            *(math.sqrt(max(part, 0.0)) for part in (parts.patient, parts.training, parts.residual)),
        ]
        for pair, parts in known
    ]
    columns = ["first", "second", "standard error", f"SD {context.terms.units}", "SD trainings", "SD rest"]
    return Table(
        "noise",
        "Noise of the differences, as standard deviations",
        columns,
        rows,
        digits=dict.fromkeys(columns[2:], 4),
        note=f"SD of the difference of two {context.terms.things} on one {context.terms.unit} from one run.",
    )
