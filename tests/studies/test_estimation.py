from dataclasses import replace

import numpy as np
import pytest

from scripts.studies.design import Design, find_design
from scripts.studies.estimation import estimate
from scripts.studies.score_rows import score_table
from tests.studies.scenarios import coverage
from tests.studies.simulation import Noise, Plan, draw, two_way
from tests.studies.tables import SMALL, simulated_rows, simulated_table


def longhand(cells, crossed=True):
    """Two-way clustered standard error, one cell at a time: cells are (patient, training, value)."""
    mean = sum(value for _, _, value in cells) / len(cells)
    parts = []
    for key in (lambda p, r: p, lambda p, r: r, lambda p, r: (p, r)):
        sums = {}
        for patient, training, value in cells:
            sums[key(patient, training)] = sums.get(key(patient, training), 0.0) + value - mean
        total = sum(each * each for each in sums.values()) / len(cells) ** 2
        parts.append(total * len(sums) / (len(sums) - 1))
    by_patient, by_training, by_cell = parts
    if not crossed:
        return mean, by_training**0.5
    return mean, (by_patient + max(by_training, by_cell) - by_cell) ** 0.5


def cells_of(values, design):
    return [
        (int(p), int(r), float(v))
        for p, r, v in zip(design.patients, design.trainings, values, strict=True)
        if r >= 0 and not np.isnan(v)
    ]


def with_statsmodels(cells):
    import statsmodels.api as sm

    patients, trainings, values = (np.array(column) for column in zip(*cells, strict=True))
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster",
        cov_kwds={"groups": np.stack([patients, trainings], 1), "use_correction": True, "df_correction": True},
        use_t=True,
    )
    return float(fit.params[0]), float(fit.bse[0]), int(fit.df_resid_inference)


def differences(table):
    return (table.values[0] - table.values[1]).reshape(-1)


def test_a_value_worked_by_hand():
    # 3 patients x 2 runs, one run a repeat: [1 2 3; 3 4 5], mean 3, u = [-2 -1 0; 0 1 2]
    # patients' sums -2 0 2: 8 / 36 * 3/2 = .3333; runs' sums -3 3: 18 / 36 * 2 = 1; cells: 10 / 36 * 6/5 = .3333
    design = Design("new partitions", np.tile([0, 1, 2], 2), np.repeat([0, 1], 3))
    mean, standard_error, degrees = two_way(np.array([[1.0, 2, 3], [3, 4, 5]]), design)
    assert mean == pytest.approx(3)
    assert standard_error == pytest.approx((8 / 24 + 1 - 12 / 36) ** 0.5)
    assert degrees == 1


@pytest.mark.parametrize("seed", range(4))
def test_equals_longhand_and_statsmodels(seed):
    table = simulated_table(SMALL, [0.0, 0.02], seed=seed, noise=Noise(run=0.03))
    design = find_design(table)
    found = estimate(differences(table), design)
    cells = cells_of(differences(table), design)
    mean, standard_error, degrees = with_statsmodels(cells)  # nothing is floored: runs differ much
    assert (found.mean, found.standard_error) == pytest.approx((mean, standard_error), abs=1e-10)
    assert (found.mean, found.standard_error) == pytest.approx(longhand(cells), abs=1e-12)
    assert (found.degrees, found.patients, found.trainings) == (degrees, 20, 15) == (14, 20, 15)
    assert found.for_family() == found


def test_lost_runs_and_excluded_cases_are_left_out_of_the_same_formula():
    rows = [
        r
        for r in simulated_rows(SMALL, [0.0, 0.02], noise=Noise(run=0.03))
        if (r.loss, r.repeat, r.fold) != ("B", 1, 2)
    ]
    rows = [replace(row, score=float("nan")) if row.case == "case007" and row.repeat == 0 else row for row in rows]
    table = score_table(rows)
    design = find_design(table)
    cells = cells_of(differences(table), design)
    found = estimate(differences(table), design)
    assert found.cells == len(cells) == 60 - 4 - 1
    assert found.standard_error == pytest.approx(with_statsmodels(cells)[1], abs=1e-10)
    assert found.standard_error == pytest.approx(longhand(cells)[1], abs=1e-12)


def test_several_cases_of_a_patient_are_one_cluster():
    rows = simulated_rows(SMALL, [0.0, 0.02], noise=Noise(run=0.03))
    grouped = []
    for row in rows:  # a second scan of every patient, in the same fold
        grouped += [
            replace(row, patient=row.case),
            replace(row, patient=row.case, case=row.case + "b", score=row.score * 0.9),
        ]
    table = score_table(grouped)
    design = find_design(table)
    found = estimate(differences(table), design)
    assert (found.patients, found.cells) == (20, 120)
    cells = cells_of(differences(table), design)
    assert found.standard_error == pytest.approx(with_statsmodels(cells)[1], abs=1e-10)


def test_copies_of_every_case_add_no_certainty():
    rows = simulated_rows(SMALL, [0.0, 0.02])
    copies = [replace(row, patient=row.case, case=row.case + suffix) for row in rows for suffix in ("", "b", "c")]
    one, three = (simulated for simulated in (score_table(rows), score_table(copies)))
    assert estimate(differences(three), find_design(three)).standard_error == pytest.approx(
        estimate(differences(one), find_design(one)).standard_error
    )


def test_a_run_part_below_the_cells_part_is_floored():
    random = np.random.default_rng(0)
    values = random.normal(size=(3, 20))
    folds = SMALL.partitions(random)
    for row, fold in zip(values, folds, strict=True):  # runs without any difference in their means
        for each in range(5):
            row[fold == each] -= row[fold == each].mean()
    design = SMALL.design(folds)
    by_patient = (values.sum(axis=0) ** 2).sum() / 60**2 * 20 / 19
    assert two_way(values, design)[1] == pytest.approx(by_patient**0.5)


def test_one_repeat_takes_the_larger_part_and_its_degrees():
    plan = Plan(20, 5, 1)
    for noise, degrees in ((Noise(run=0.1), 4), (Noise(run=0.0, training=0.0), 19)):
        table = simulated_table(plan, [0.0, 0.0], noise=noise)
        design = find_design(table)
        found = estimate(differences(table), design)
        cells = cells_of(differences(table), design)
        by_run = longhand(cells, crossed=False)[1]
        by_patient = np.std(differences(table), ddof=1) / 20**0.5
        assert design.kind == "one repeat"
        assert found.standard_error == pytest.approx(max(by_run, by_patient))
        assert found.degrees == degrees == (4 if by_run > by_patient else 19)
        assert (found.family_degrees, found.for_family().degrees) == (4, 4)


@pytest.mark.parametrize("runs", [2, 3])
def test_two_or_three_runs_that_agree_do_not_lend_the_certainty_of_their_patients(runs):
    plan, noise = Plan(40 * runs, runs, 1), Noise(patient=0.0, run=0.01, training=0.0, residual=0.02)
    assert coverage(noise, plan, data_sets=1000, seed=0) >= 0.95
    table = simulated_table(plan, [0.0, 0.0], noise=Noise(run=0.0, training=0.0))
    assert estimate(differences(table), find_design(table)).degrees == runs - 1


def test_fixed_folds_are_found_whatever_their_numbers_and_clustered_by_fold():
    rows = simulated_rows(Plan(20, 5, 3, fixed=True), [0.0, 0.0])
    renumbered = [replace(row, fold=(row.fold + row.repeat) % 5) for row in rows]
    for each in (rows, renumbered):
        table = score_table(each)
        design = find_design(table)
        found = estimate(differences(table), design)
        assert design.kind == "fixed folds"
        assert (found.degrees, found.trainings) == (4, 5)
        assert found.standard_error == pytest.approx(longhand(cells_of(differences(table), design), crossed=False)[1])


def test_repeats_that_share_a_partition_share_its_training_sets():
    rows = simulated_rows(Plan(20, 5, 2), [0.0, 0.0])
    third = [replace(row, repeat=2, score=row.score / 2) for row in rows if row.repeat == 0]
    design = find_design(score_table(rows + third))
    assert design.kind == "new partitions"
    trainings = design.trainings.reshape(3, 20)
    np.testing.assert_array_equal(trainings[0], trainings[2])
    assert not set(trainings[0]) & set(trainings[1])


def test_one_training_set_with_several_seeds_is_crossed_by_seed():
    table = simulated_table(Plan(20, 1, 4, fixed=True), [0.0, 0.0], noise=Noise(run=0.05))
    design = find_design(table)
    assert design.kind == "one training set"
    assert estimate(differences(table), design).degrees == 3


@pytest.mark.parametrize("plan", [Plan(20, 1, 1), Plan(5, 5, 3)])
def test_one_run_or_five_units_leave_the_standard_error_open(plan):
    table = simulated_table(plan, [0.0, 0.3])
    found = estimate(differences(table), find_design(table))
    assert found.standard_error == float("inf")
    assert (found.degrees, found.p_value(), found.interval()) == (0, 1.0, (-float("inf"), float("inf")))


def test_equal_scores_are_no_difference_and_a_constant_difference_is_one():
    design = find_design(simulated_table(SMALL, [0.0, 0.0]))
    nothing, constant = (estimate(np.full(60, value), design) for value in (0.0, 0.25))
    assert (nothing.p_value(), nothing.interval()) == (1.0, (0.0, 0.0))
    assert (constant.p_value(), constant.p_value(0.3), constant.interval()) == (0.0, 1.0, (0.25, 0.25))


def test_many_data_sets_at_once_equal_one_at_a_time():
    random = np.random.default_rng(3)
    folds = SMALL.partitions(random)
    scores = draw(Noise(), SMALL, folds, random, 5, [0.0, 0.0])
    mean, standard_error, degrees = two_way(scores[:, 0] - scores[:, 1], SMALL.design(folds))
    for at in range(5):
        found = estimate((scores[at, 0] - scores[at, 1]).reshape(-1), SMALL.design(folds))
        assert (found.mean, found.standard_error) == pytest.approx((mean[at], standard_error[at]), abs=1e-14)
        assert found.degrees == degrees[at]
