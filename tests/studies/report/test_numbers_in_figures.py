"""What figures and further tables are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scripts.studies.components import Components
from scripts.studies.report.build import report_sections
from scripts.studies.report.curves import band
from scripts.studies.report.exploratory import direction, metric_tables
from scripts.studies.report.forest import symbol
from scripts.studies.report.noise import half_width, shares
from scripts.studies.report.patients import draw_differences, draw_pair, mean_over_repeats, patient_scores
from scripts.studies.report.record import CaseScore
from scripts.studies.score_rows import score_table
from tests.studies.report.made_up import LOSSES, made_up_context

GAPS = {"ce": 0.0, "dfl": 0.01, "adfl": 0.08}


def test_the_band_holds_the_runs_that_reach_an_epoch() -> None:
    epochs, mean, low, high = band([([1, 2, 3], [0.0, 0.4, 0.6]), ([1, 3], [0.2, 0.4]), ([3, 4], [0.5, 0.7])])
    assert epochs.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(low, [0.0, 0.3, 0.4, 0.7])  # the second run at epoch 2: between .2 and .4
    np.testing.assert_allclose(high, [0.2, 0.4, 0.6, 0.7])
    np.testing.assert_allclose(mean, [0.1, 0.35, 0.5, 0.7])


def test_the_parts_of_the_noise_sum_to_one() -> None:
    components = Components(patient=0.04, training=0.02, residual=0.1, folds=5)
    # .04 / 40 + .02 / 10 + .1 / 80 = .001 + .002 + .00125
    np.testing.assert_allclose(shares(components, 40, 2), [4 / 17, 8 / 17, 5 / 17])
    assert shares(Components(0.0, 0.0, 0.0, 5), 40, 2) == (0.0, 0.0, 0.0)


def test_the_half_width_is_that_of_the_interval() -> None:
    components = Components(patient=0.04, training=0.02, residual=0.1, folds=5)
    assert half_width(components, 40, 2) == pytest.approx(2.2621571627 * math.sqrt(0.00425))  # t of 10 runs - 1
    assert half_width(Components(0.1, 0.1, 0.1, 1), 40, 1) == math.inf


def test_the_map_reads_the_same_from_both_sides() -> None:
    analysis = made_up_context(GAPS).analysis
    assert symbol(analysis.pair("adfl", "ce")) == "++"
    assert symbol(analysis.pair("ce", "adfl")) == "--"
    assert symbol(made_up_context(GAPS, reference="adfl").analysis.pair("ce", "dfl")) == "·"


def test_cases_of_a_patient_are_averaged_and_a_missed_one_marks_the_patient() -> None:
    rows = [
        CaseScore(loss, 1, fold, case, value, patient=patient)
        for loss, shift in (("ce", 0.0), ("adfl", 0.1))
        for case, patient, fold, value in (
            ("a1", "a", 0, 0.5 + shift),
            ("a2", "a", 0, 0.7 + shift),
            ("b1", "b", 1, 0.0),
            ("c1", "c", 1, math.nan),
        )
    ]
    scores = patient_scores(score_table(rows))
    order = [scores.patients.index(name) for name in "abc"]
    np.testing.assert_allclose(scores.values[0, 0, order], [0.6, 0.0, math.nan])
    assert scores.missed[0, 0, order].tolist() == [False, True, False]
    np.testing.assert_allclose(mean_over_repeats(np.array([[0.2, math.nan], [0.4, math.nan]])), [0.3, math.nan])


def test_points_beyond_the_edge_are_counted() -> None:
    context = made_up_context(GAPS, missed=("Case03", "Case04"))
    scores = patient_scores(context.analysis.table)
    losses = context.analysis.table.losses
    _figure, beyond = draw_differences(scores, losses, "adfl", ["ce"], context.styles)
    assert beyond >= 2


def test_further_scores_have_the_means_of_their_values() -> None:
    context = made_up_context(GAPS, metrics=True)
    wide, long = metric_tables(context.analysis, context.study.scores, LOSSES)
    assert wide.columns == ["loss", "iou/prostate ↑", "hd95_mm/prostate ↓"]
    expected = np.mean([score.metrics["iou/prostate"] for score in context.study.scores if score.loss == "ce"])
    row = next(row for row in wide.rows if row[0] == "ce")
    assert row[1] == pytest.approx(expected)
    assert {row[5] for row in long.rows} == {180}
    plain = made_up_context(GAPS)
    assert metric_tables(plain.analysis, plain.study.scores, LOSSES) == []


@pytest.mark.parametrize(
    ("name", "arrow"),
    [
        ("surface_dice_2mm", " ↑"),
        ("HD95", " ↓"),
        ("ece", " ↓"),
        ("volume_difference_ml/x", " → 0"),
        ("volume_difference_relative/x", " → 0"),
        ("abs_volume_difference_ml", " ↓"),
        ("volume_ml", ""),
        ("x", ""),
    ],
)
def test_an_arrow_shows_where_a_score_is_better(name: str, arrow: str) -> None:
    assert direction(name) == arrow


def test_no_point_of_a_small_study_lies_beyond_the_edge() -> None:
    context = made_up_context({"ce": 0.0, "adfl": 0.01}, patients=20, repeats=1)
    losses = context.analysis.table.losses
    figure, below = draw_pair(patient_scores(context.analysis.table), losses, "adfl", "ce", context.styles["adfl"])
    assert below == 0
    assert figure.axes[0].get_xlim()[0] < np.nanmin(context.analysis.table.values)


def test_the_check_by_bootstrap_says_which_interval_it_stands_beside() -> None:
    def said(gaps: dict[str, float]) -> str:
        return str(next(s for s in report_sections(made_up_context(gaps)) if s.key == "pairs").blocks)

    assert "the interval of this pair by itself is +0.0" in said({"ce": 0.0, "adfl": 0.08})
    assert "the interval of this pair by itself, not widened for the other pairs, is +0.0" in said(GAPS)
