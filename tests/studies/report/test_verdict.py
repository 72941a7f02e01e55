"""The sentences of the verdict, in every situation that a study can end in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scripts.studies.race import Look, Race
from scripts.studies.report.context import Context
from scripts.studies.report.record import Curve
from scripts.studies.report.tables import number
from scripts.studies.report.verdict import is_settled, rounded_up, settling, verdict
from scripts.studies.report.words import count, listed
from tests.studies.report.made_up import DRIVES, context_of, made_up_context

CLEAR = {"ce": 0.0, "dfl": 0.01, "adfl": 0.08}
CLOSE = {"ce": 0.0, "dfl": 0.001, "adfl": 0.002}


def sentences(context: Context) -> list[str]:
    return verdict(context.study, context.analysis)


def test_a_clear_winner_is_named_with_its_lead_over_the_nearest_loss() -> None:
    context = made_up_context(CLEAR)
    first, bound, pair = sentences(context)
    assert first == "Train with adfl."
    assert bound == "With 95 % confidence none of the 2 other losses is better in mean foreground Dice."
    known = context.analysis.pair("adfl", "dfl")
    assert pair == (
        f"adfl is better than dfl, by more than the margin of 0.010 (+{known.estimate.mean:.3f}, 95 % interval "
        f"+{known.low:.3f} to +{known.high:.3f})."
    )


def test_an_undecided_study_says_undecided_and_what_would_settle_it() -> None:
    context = made_up_context(CLOSE, noise=0.04)
    first, bound, pair, rest = sentences(context)
    chosen = context.analysis.chosen
    assert first == f"Undecided. {chosen} is ahead: train with it until more is known."
    assert f"beats it by more than {rounded_up(context.analysis.regret_bound):.3f}" in bound
    assert "the margin that matters here is 0.010" in bound
    other = next(each for each in context.analysis.against_chosen if each.loss == context.rival)
    interval = f"{number(-other.high, signed=True)} to {number(-other.low, signed=True)}"
    assert pair.startswith(f"Whether {chosen} beats {context.rival} is undecided (")
    assert f"95 % interval {interval}" in pair
    assert "settle" in pair
    assert rest == "Each of the 3 losses may be the best."


def test_losses_within_the_margin_are_equivalent_and_the_choice_is_safe() -> None:
    context = made_up_context({"ce": 0.0, "adfl": 0.0}, noise=0.004, patients=100)
    first, bound, pair = sentences(context)
    assert first == f"Train with {context.analysis.chosen}."
    assert bound.endswith("which is within the margin of 0.010 that matters here.")
    known = context.analysis.pair(context.chosen, context.rival)
    assert pair.startswith(f"{context.chosen} and {context.rival} are equivalent: they differ by less than 0.010 (")
    assert f"90 % interval {number(known.equivalence_low, signed=True)} to " in pair


def test_one_training_a_loss_recommends_nothing() -> None:
    first, second = sentences(made_up_context(CLEAR, repeats=1, folds=1))
    assert first.startswith("No loss can be recommended from these scores: adfl has the highest mean (0.8")
    assert "at least three repeats" in second


def test_one_repeat_gives_a_bound_and_no_promise_of_what_settles_it() -> None:
    context = made_up_context(CLOSE, repeats=1, noise=0.04)
    assert context.analysis.design == "one repeat"
    text = " ".join(sentences(context))
    assert "With 95 % confidence" in text
    assert "what would settle it can't be said from this design" in text


def test_the_reference_is_compared_even_where_another_loss_is_nearer() -> None:
    context = made_up_context(CLEAR, reference="ce")
    assert "adfl is better than the reference ce, by more than the margin" in sentences(context)[2]


def test_a_reference_that_leads_is_compared_with_the_nearest_loss() -> None:
    context = made_up_context(CLEAR, reference="adfl")
    assert sentences(context)[0] == "Train with adfl."
    assert "the reference" not in sentences(context)[2].removeprefix("adfl")
    assert "dfl" in sentences(context)[2].removeprefix("adfl")


def test_a_race_gives_its_own_bound_which_counts_the_dropped_losses() -> None:
    context = made_up_context(CLEAR)
    look = Look(2, ("ce", "dfl", "adfl"), "adfl", np.zeros((3, 3)), ("ce",))
    race = Race(("ce", "dfl", "adfl"), ("dfl", "adfl"), (look,), "adfl", 0.0042)
    study = dataclasses.replace(context.study, race=race)
    bound = verdict(study, context.analysis)[1]
    assert bound.startswith(
        "With 95 % confidence none of the 2 other losses, those dropped on the way included, beats it by more than 0.00"
    )


def test_two_losses_read_as_two() -> None:
    bound = sentences(made_up_context({"ce": 0.0, "adfl": 0.05}))[1]
    assert bound == "With 95 % confidence the other loss is not better in mean foreground Dice."


def test_a_bound_within_the_margin_settles_a_choice_among_several() -> None:
    context = made_up_context({"ce": 0.0, "adfl": 0.0}, noise=0.004, patients=100)
    assert is_settled(context.analysis, context.chosen, 0.0099)
    assert not is_settled(context.analysis, context.chosen, 0.0101) or len(context.analysis.best_set) == 1


@pytest.mark.parametrize(
    ("repeats", "patients", "text"),
    [
        ((6, 14), (80, 150), "6 to 14 repeats in all or 80 to 150 patients in all would settle it"),
        ((6, 6), None, "about 6 repeats in all would settle it"),
        (
            None,
            (80, None),
            "more than 80 patients in all would settle it (no number of repeats does with these patients)",
        ),
        (None, None, "no number of repeats settles it with these patients, nor any number of patients within reach"),
    ],
)
def test_what_would_settle_it_is_given_as_ranges(
    repeats: tuple[int, int | None] | None, patients: tuple[int, int | None] | None, text: str
) -> None:
    context = made_up_context(CLOSE, noise=0.04)
    pair = context.analysis.pair(context.chosen, context.rival)
    assert pair.settlement is not None
    settlement = dataclasses.replace(pair.settlement, repeats=repeats, patients=patients)
    assert settling(context.study, dataclasses.replace(pair, settlement=settlement)) == text


def test_another_unit_than_patients_is_named() -> None:
    study = dataclasses.replace(made_up_context(CLOSE, noise=0.04).study, terms=DRIVES)
    context = context_of(study)
    assert "patient" not in " ".join(sentences(context))


def test_a_bound_is_rounded_so_that_it_still_holds() -> None:
    assert [rounded_up(bound) for bound in (0.0, 0.0001, 0.007, 0.0071, 0.0079)] == [0.0, 0.001, 0.007, 0.008, 0.008]


def test_numbers_and_lists_read_as_english() -> None:
    assert [count(1, "loss"), count(2, "loss"), count(1200, "patient")] == ["1 loss", "2 losses", "1,200 patients"]
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_trainings_that_lost_a_class_are_told_in_the_second_sentence() -> None:
    study = made_up_context(CLEAR).study
    lost = {("ce", 1, 0), ("ce", 2, 3), ("dfl", 1, 1)}
    scores = [
        dataclasses.replace(
            score,
            metrics={
                "dice/anterior": 0.9,
                "dice/posterior": 0.04 if (score.loss, score.repeat, score.fold) in lost else 0.8,
            },
        )
        for score in study.scores
    ]
    first, warning, *rest = sentences(context_of(dataclasses.replace(study, scores=scores)))
    assert first == "Train with adfl."
    assert warning.startswith(
        "But the trainings have not converged: 3 of 45 trainings lost a class "
        "(mean Dice below 0.05: ce 2 and dfl 1); the comparison is of losses after this many epochs"
    )
    assert "beats" in rest[0] or "better" in rest[0]


def test_validation_that_still_rises_is_told_with_the_losses_names() -> None:
    study = made_up_context(CLEAR).study
    values = {"ce": [0.1, 0.4, 0.6, 0.7, 0.74, 0.78], "dfl": [0.1, 0.7, 0.8, 0.8, 0.805, 0.8], "adfl": [0.1, 0.9]}
    curves = [Curve(loss, 1, fold, range(1, 1 + len(v)), v) for loss, v in values.items() for fold in (0, 1)]
    second = sentences(context_of(dataclasses.replace(study, curves=curves)))[1]
    assert "the validation of ce still rose by more than 0.010 over the last third" in second
    flat = [curve for curve in curves if curve.loss != "ce"]
    assert not any(
        "converged" in sentence for sentence in sentences(context_of(dataclasses.replace(study, curves=flat)))
    )


def test_a_bound_as_wide_as_the_score_is_no_bound() -> None:
    study = made_up_context({"ce": 0.0, "adfl": 0.001}, repeats=1, folds=2, patients=20).study
    by_fold = {"ce": (0.5, 0.5), "adfl": (0.9, 0.2)}  # two trainings that contradict each other
    scores = [dataclasses.replace(score, score=by_fold[score.loss][score.fold]) for score in study.scores]
    context = context_of(dataclasses.replace(study, scores=scores))
    assert context.analysis.regret_bound == 1
    assert sentences(context)[1].endswith("can't be said: the scores leave every difference open.")
