from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from scripts.errors import UserError
from scripts.studies.cross_check import crossed_bootstrap
from scripts.studies.decision import analyse
from scripts.studies.design import find_design
from scripts.studies.multiplicity import best_set, holm, leader, rank_interval, regret_bounds
from scripts.studies.score_rows import score_table
from tests.studies.simulation import Noise, Plan
from tests.studies.tables import SMALL, simulated_rows, simulated_table

QUIET = Noise(patient=0.002, run=0.001, training=0.0, residual=0.002)


def test_holm_worked_by_hand():
    # sorted .01 .02 .04 -> .03, .04, .04
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5]) == [0.5]
    assert holm([]) == []


def test_best_set_and_bounds_worked_by_hand():
    # upper bounds of row - column: 0 beats 2 for certain, 1 is open
    bounds = np.array([[-np.inf, 0.03, 0.09], [0.01, -np.inf, 0.08], [-0.02, 0.01, -np.inf]])
    assert best_set(bounds) == [True, True, False]
    np.testing.assert_allclose(regret_bounds(bounds), [0.01, 0.03, 0.09])
    assert leader(np.array([[-np.inf, 0.01], [-0.01, -np.inf]])) == 0
    assert rank_interval(better_than_it=1, worse_than_it=3, losses=5) == (2, 2)


def test_clear_differences_are_claimed_and_ranked():
    found = analyse(simulated_table(SMALL, [0.0, 0.05, 0.1], noise=QUIET))
    assert found.chosen == "C"
    assert found.best_set == ("C",)
    assert found.regret_bound == 0
    assert [(each.rank_low, each.rank_high) for each in found.losses] == [(3, 3), (2, 2), (1, 1)]
    assert {pair.verdict for pair in found.pairs} == {"better by more than the margin"}
    assert [pair.better for pair in found.pairs] == ["B", "C", "C"]
    assert [each.loss for each in found.against_chosen] == ["B", "A"]
    assert all(pair.settlement is None for pair in found.pairs)


def test_a_difference_below_the_margin_is_better_and_still_within_it():
    (pair,) = analyse(simulated_table(SMALL, [0.0, 0.004], noise=QUIET)).pairs
    assert (pair.verdict, pair.better, pair.within_margin) == ("better", "B", True)
    assert -0.01 < pair.equivalence_low < pair.equivalence_high < 0


def test_equal_losses_are_equivalent_when_the_noise_is_small_and_undecided_when_it_is_not():
    quiet = analyse(simulated_table(SMALL, [0.0, 0.0], noise=QUIET))
    loud = analyse(simulated_table(SMALL, [0.0, 0.0]))
    assert (quiet.pairs[0].verdict, quiet.pairs[0].better) == ("equivalent", None)
    assert (loud.pairs[0].verdict, loud.pairs[0].better) == ("undecided", None)
    assert loud.best_set == ("A", "B")
    assert loud.pairs[0].settlement is not None


def test_the_numbers_of_a_pair_are_those_of_its_standard_error():
    table = simulated_table(SMALL, [0.0, 0.02, 0.01])
    found = analyse(table)
    for pair in found.pairs:
        each = pair.estimate
        a, b = table.index(pair.a), table.index(pair.b)
        assert each.mean == pytest.approx(float((table.values[a] - table.values[b]).mean()))
        reach = stats.t.ppf(0.975, 14) * each.standard_error
        assert (pair.low, pair.high) == pytest.approx((each.mean - reach, each.mean + reach))
        assert pair.p_value == pytest.approx(2 * stats.t.sf(abs(each.mean) / each.standard_error, 14))
        assert pair.p_holm >= pair.p_value
    chosen = [pair for pair in found.pairs if found.chosen in (pair.a, pair.b)]
    uppers = []
    for pair in chosen:
        turned = found.pair(pair.b if pair.a == found.chosen else pair.a, found.chosen)
        uppers.append(turned.estimate.mean + stats.t.ppf(1 - 0.05 / 2, 14) * turned.estimate.standard_error)
    assert found.regret_bound == pytest.approx(max(0, *uppers))
    assert sorted(each.upper for each in found.against_chosen) == pytest.approx(sorted(uppers))
    # all three pairs at once: t(1 - .05 / 6)
    first = found.against_chosen[0]
    reach = stats.t.ppf(1 - 0.05 / 6, 14) * found.pair(first.loss, found.chosen).estimate.standard_error
    assert (first.low, first.high) == pytest.approx((first.difference - reach, first.difference + reach))


def test_a_pair_turned_round_is_the_same_pair():
    found = analyse(simulated_table(SMALL, [0.0, 0.02]))
    forth, back = found.pair("A", "B"), found.pair("B", "A")
    assert (back.a, back.b, back.estimate.mean) == ("B", "A", -forth.estimate.mean)
    assert (back.low, back.high) == (-forth.high, -forth.low)
    assert (back.verdict, back.better, back.p_holm) == (forth.verdict, forth.better, forth.p_holm)
    assert back.reversed() == forth


def test_the_order_of_losses_changes_nothing_but_the_order():
    rows = simulated_rows(SMALL, [0.0, 0.02, 0.01])
    one, other = analyse(score_table(rows)), analyse(score_table(rows[::-1]))
    assert one.chosen == other.chosen
    assert one.regret_bound == pytest.approx(other.regret_bound)
    for pair in one.pairs:
        turned = other.pair(pair.a, pair.b)
        assert turned.p_holm == pytest.approx(pair.p_holm)
        assert turned.verdict == pair.verdict


def test_with_a_reference_only_its_pairs_are_tested():
    table = simulated_table(SMALL, [0.0, 0.02, 0.01])
    found = analyse(table, reference="B")
    for pair in found.pairs:
        is_tested = "B" in (pair.a, pair.b)
        assert (pair.verdict == "exploratory") == np.isnan(pair.p_holm) == (not is_tested)
    tested = [pair for pair in found.pairs if pair.verdict != "exploratory"]
    assert [pair.p_holm for pair in tested] == pytest.approx(holm([pair.p_value for pair in tested]))
    assert found.pair("A", "C").p_holm_all == analyse(table).pair("A", "C").p_holm


def test_one_run_a_loss_concludes_nothing_however_large_the_difference():
    found = analyse(simulated_table(Plan(60, 1, 1), [0.0, 0.15], noise=QUIET))
    (pair,) = found.pairs
    assert (pair.verdict, pair.p_value, pair.low, pair.high) == ("undecided", 1.0, -1.0, 1.0)
    assert found.regret_bound == 1
    assert found.best_set == ("A", "B")
    assert found.cautions[0].code == "one run"


def test_lost_runs_leave_pairs_on_what_both_have():
    rows = [row for row in simulated_rows(SMALL, [0.0, 0.02, 0.01]) if (row.loss, row.repeat, row.fold) != ("B", 1, 2)]
    table = score_table(rows)
    found = analyse(table)
    assert [each.missing_runs for each in found.losses] == [0, 1, 0]
    assert [each.runs for each in found.losses] == [15, 14, 15]
    assert [pair.estimate.cells for pair in found.pairs] == [56, 60, 56]
    assert found.losses[0].common_mean == pytest.approx(float(np.nanmean(table.values[0][~np.isnan(table.values[1])])))
    assert "missing runs" in [caution.code for caution in found.cautions]


@pytest.mark.parametrize(
    ("plan", "codes"),
    [
        (Plan(60, 5, 3), ["one pool"]),
        (Plan(20, 5, 3), ["few patients", "one pool"]),
        (Plan(60, 5, 1), ["one repeat"]),
        (Plan(60, 5, 2, fixed=True), ["fixed folds"]),
        (Plan(60, 1, 3, fixed=True), ["one training set"]),
        (Plan(5, 2, 3), ["too few patients", "one pool"]),
    ],
)
def test_what_limits_a_study_is_said(plan, codes):
    assert [caution.code for caution in analyse(simulated_table(plan, [0.0, 0.0])).cautions] == codes


def test_skewed_differences_are_named():
    rows = simulated_rows(Plan(60, 5, 3), [0.0, 0.0], noise=QUIET)
    rows = [replace(row, score=0.0) if row.loss == "B" and row.case in ("case000", "case001") else row for row in rows]
    found = analyse(score_table(rows))
    assert "skewed" in [caution.code for caution in found.cautions]
    assert found.losses[1].missed == 6


def test_a_bootstrap_over_patients_and_runs_agrees_with_the_interval():
    table = simulated_table(Plan(60, 5, 5), [0.0, 0.0])
    (pair,) = analyse(table).pairs
    width, other = pair.high - pair.low, pair.bootstrap_high - pair.bootstrap_low
    assert 0.7 * width < other < 1.3 * width
    values = (table.values[0] - table.values[1]).reshape(-1)
    ends = crossed_bootstrap(values, find_design(table))
    assert ends == crossed_bootstrap(values, find_design(table)) == (pair.bootstrap_low, pair.bootstrap_high)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"margin": 0.0}, "margin must be > 0, got 0"),
        ({"reference": "FL"}, "the reference FL is no condition of the study: it has A, B"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        analyse(simulated_table(SMALL, [0.0, 0.0]), **settings)


def test_losses_without_a_common_cell_are_refused():
    rows = [row for row in simulated_rows(SMALL, [0.0, 0.0]) if (row.loss == "A") == (row.repeat == 0)]
    with pytest.raises(UserError, match="conditions (A and B|B and A) have no case of the same repeat in common"):
        analyse(score_table(rows))


@pytest.mark.parametrize("offset", [0.0, 0.1])
@pytest.mark.parametrize("plan", [SMALL, Plan(60, 5, 3), Plan(60, 5, 1)])
def test_copies_of_a_loss_and_constant_differences_are_taken_without_a_warning(plan, offset):
    rows = [replace(row, score=round(row.score, 2)) for row in simulated_rows(plan, [0.0], level=0.7)]
    found = analyse(score_table(rows + [replace(row, loss="B", score=row.score - offset) for row in rows]))
    (pair,) = found.pairs
    assert pair.estimate.mean == pytest.approx(offset)
    assert pair.verdict == ("better by more than the margin" if offset else "equivalent")
    assert (found.chosen, found.regret_bound) == ("A", pytest.approx(0, abs=1e-9))


def test_mostly_equal_scores_are_described_without_a_warning():
    rows = simulated_rows(SMALL, [0.0], level=0.7)
    other = [replace(row, loss="B", score=0.0 if row.case in ("case001", "case002") else row.score) for row in rows]
    (pair,) = analyse(score_table(rows + other)).pairs
    assert 0 < pair.wilcoxon_p <= 1
    assert pair.verdict == "undecided"
