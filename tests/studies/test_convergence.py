"""Trainings that were too short are found."""

from __future__ import annotations

import math

import pytest

from scripts.studies.convergence import find_convergence, late_rise
from scripts.studies.report.record import CaseScore, Curve


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.5, 0.7], 0.2),
        ([0.1, 0.5, 0.7, 0.6, 0.65, 0.68], -0.02),  # best of the last two: .68, before: .7
        ([0.2, 0.2, 0.2], 0.0),
        ([0.1, 0.9], None),
        ([], None),
    ],
)
def test_the_late_rise_is_the_best_of_the_last_third_less_the_best_before(
    values: list[float], expected: float | None
) -> None:
    assert late_rise(values) == expected


def test_a_loss_rises_by_the_mean_of_its_runs() -> None:
    curves = [Curve("ce", 1, 0, [1, 2, 3], [0.1, 0.5, 0.53]), Curve("ce", 1, 1, [1, 2, 3], [0.1, 0.5, 0.47])]
    curves += [Curve("fl", 1, 0, [1, 2, 3], [0.1, 0.5, 0.53]), Curve("dfl", 1, 0, [3], [0.5])]
    found = find_convergence([], curves, margin=0.01)
    assert found.rising == ("fl",)
    assert found.judged == ("ce", "fl")


def test_a_run_has_lost_a_class_when_its_mean_dice_over_the_cases_is_below_the_limit() -> None:
    def case(loss: str, name: str, anterior: float, posterior: float) -> CaseScore:
        dice = {"dice/anterior": anterior, "dice/posterior": posterior, "dice/background": 0.0, "iou/anterior": 0.0}
        return CaseScore(loss, 1, 0, name, 0.5, metrics=dice)

    scores = [case("ce", "a", 0.9, 0.0), case("ce", "b", 0.9, 0.09), case("ce", "c", 0.9, math.nan)]  # mean .045
    scores += [case("fl", "a", 0.9, 0.0), case("fl", "b", 0.9, 0.11), case("fl", "c", math.nan, math.nan)]  # mean .055
    found = find_convergence(scores, [], margin=0.01)
    assert found.lost == {("ce", 1, 0): "posterior"}
    assert found.runs == 2


def test_without_classes_the_primary_score_tells_where_it_is_a_dice() -> None:
    scores = [CaseScore(loss, 1, 0, name, 0.01) for loss in ("ce", "fl") for name in "ab"]
    assert find_convergence(scores, [], 0.01, "mean foreground Dice").lost == {("ce", 1, 0): "", ("fl", 1, 0): ""}
    assert find_convergence(scores, [], 0.01, "surface overlap").lost == {}
