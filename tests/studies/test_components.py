import numpy as np
import pytest

from scripts.studies.components import Components, find_components, pooled
from scripts.studies.design import find_design
from scripts.studies.estimation import moments
from scripts.studies.power import MOST_REPEATS, chance_of_better, chance_of_equivalent, settlement, smallest_difference
from tests.studies.simulation import Noise, Plan
from tests.studies.tables import SMALL, simulated_table

FOUND = Components(patient=0.0018, training=0.00065, residual=0.0008, folds=5)


def test_components_equal_their_formulas_where_nothing_is_missing():
    table = simulated_table(SMALL, [0.0, 0.0], noise=Noise(run=0.03))
    design = find_design(table)
    values = (table.values[0] - table.values[1]).reshape(-1)
    parts = moments(values, design.patients, design.trainings)
    found = find_components(values, design, 5)
    n, r, f = 20, 3, 5
    patient = (parts.by_patient - parts.by_cell) * n * r / (r - 1)
    training = (parts.by_training - parts.by_cell) * n * r / (n / f - 1)
    assert found.patient == pytest.approx(max(0, float(patient)))
    assert found.training == pytest.approx(max(0, float(training)))
    assert found.residual == pytest.approx(float(n * r * parts.by_cell - patient - training))


def test_components_find_what_was_put_in():
    noise = Noise(patient=0.03, run=0.04, training=0.0, residual=0.02)
    table = simulated_table(Plan(600, 5, 40), [0.0, 0.0], noise=noise, seed=1)
    values = (table.values[0] - table.values[1]).reshape(-1)
    found = find_components(values, find_design(table), 5)
    assert found.patient == pytest.approx(2 * 0.03**2, rel=0.2)
    assert found.training == pytest.approx(2 * 0.04**2, rel=0.2)
    assert found.residual == pytest.approx(2 * 0.02**2, rel=0.05)


@pytest.mark.parametrize("plan", [Plan(20, 5, 1), Plan(20, 5, 3, fixed=True), Plan(20, 20, 3), Plan(20, 1, 1)])
def test_designs_that_do_not_tell_components_apart_have_none(plan):
    table = simulated_table(plan, [0.0, 0.0])
    values = (table.values[0] - table.values[1]).reshape(-1)
    assert find_components(values, find_design(table), plan.folds) is None


def test_a_standard_error_worked_by_hand():
    # .0018 / 100 + .00065 / 15 + .0008 / 300 = 1.8e-5 + 4.333e-5 + .267e-5 = 6.4e-5
    assert float(FOUND.standard_error(100, 3)) == pytest.approx(0.008)
    assert FOUND.floor(100) == pytest.approx(1.8e-5**0.5)
    assert float(FOUND.degrees(100, 3)) == 14
    assert float(FOUND.degrees(10, 3)) == 9


def test_the_pool_is_the_mean_of_those_that_are_known():
    other = Components(0.0, 0.00135, 0.0, 5)
    assert pooled([FOUND, None, other]) == Components(0.0009, 0.001, 0.0004, 5)
    assert pooled([None, None]) is None


def test_more_of_anything_shows_smaller_differences():
    base = smallest_difference(FOUND, 100, 3)
    # t(.975, 14) + t(.8, 14) = 2.145 + .868
    assert base == pytest.approx(3.013 * 0.008, rel=1e-3)
    assert smallest_difference(FOUND, 200, 3) < base
    assert smallest_difference(FOUND, 100, 5) < base
    assert smallest_difference(FOUND, 100, 3, comparisons=8) > base
    assert smallest_difference(FOUND, 100, 3, power=0.9) > base


def test_what_settles_a_difference_goes_from_an_even_chance_to_80_percent():
    found = settlement(0.015, FOUND, patients=100, repeats=3, margin=0.01, comparisons=1)
    assert found.by == "better"
    even, powerful = found.repeats
    assert 3 < even < powerful
    for repeats, least in ((even, 0.5), (powerful, 0.8)):
        before, there = (
            float(chance_of_better(0.015, FOUND.standard_error(100, at), FOUND.degrees(100, at)))
            for at in (repeats - 1, repeats)
        )
        assert before < least <= there


def test_no_number_of_repeats_settles_what_the_patients_hide():
    # floor .0018 / 20 -> .0095; a difference of .01 needs about 2 of them
    found = settlement(0.01, FOUND, patients=20, repeats=3, margin=0.005, comparisons=1)
    assert found.repeats is None
    assert found.floor == pytest.approx(0.0018**0.5 / 20**0.5)
    assert found.patients is None or found.patients[0] > 20


def test_a_small_difference_settles_as_equivalent():
    found = settlement(0.0, FOUND, patients=400, repeats=3, margin=0.01, comparisons=1)
    assert found.by == "equivalent"
    assert found.repeats[0] <= found.repeats[1] <= MOST_REPEATS


def test_chances_are_those_of_their_tests():
    degrees, one = np.asarray(1e6), np.asarray(1.0)
    assert float(chance_of_better(2.8016, one, degrees)) == pytest.approx(0.8, abs=1e-4)  # 1.960 + .8416
    assert float(chance_of_equivalent(0.0, one, degrees, 2.9264)) == pytest.approx(0.8, abs=1e-4)  # 1.6449 + 1.2816
    assert float(chance_of_equivalent(0.0, one, degrees, 1.0)) == 0
