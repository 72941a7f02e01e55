"""What the statistics promise, on thousands of studies whose truth is known. Seeded; about 30 seconds of one core."""

import numpy as np
import pytest
from scipy import stats

from scripts.studies.components import Components
from scripts.studies.multiplicity import holm
from scripts.studies.power import smallest_difference
from tests.studies.scenarios import coverage, false_positives, familywise, power, predicted_ratio, race, regret
from tests.studies.simulation import Noise, Plan, wilcoxon_p_values

NOISE = Noise()
DATA_SETS = 2000


@pytest.mark.parametrize("size", [(50, 5, 3), (100, 5, 3), (200, 5, 5)])
@pytest.mark.parametrize("lost", [0.0, 0.1])
def test_an_interval_of_95_percent_holds_the_truth_in_93_to_97(size, lost):
    assert 0.93 <= coverage(NOISE, Plan(*size), DATA_SETS, seed=1, lost=lost) <= 0.97


@pytest.mark.parametrize("patients", [100, 200])
def test_skewed_differences_leave_at_least_93_percent(patients):
    assert coverage(NOISE, Plan(patients, 5, 3), DATA_SETS, seed=2, skewed=True) >= 0.93


@pytest.mark.parametrize("factors", [np.ones(9), np.array([3.0, *np.ones(8)])])
def test_nine_equal_losses_lead_to_a_claim_in_at_most_5_percent(factors):
    claims = familywise(NOISE, Plan(100, 5, 3), DATA_SETS, seed=3, run_factors=factors)
    assert claims["two-way clustered, Holm"] <= 0.05
    assert claims["Wilcoxon, Holm"] > 0.10  # what is usually done


@pytest.mark.parametrize("noise", [NOISE, Noise(patient=0.006, run=0.0011, training=0.0011, residual=0.006)])
def test_nine_equal_losses_lead_to_a_claim_in_at_most_5_percent_in_one_repeat_too(noise):
    for patients in (50, 200):
        claims = familywise(noise, Plan(patients, 5, 1), DATA_SETS // 2, seed=3)
        assert claims["two-way clustered, Holm"] <= 0.05


@pytest.mark.parametrize(
    "effects",
    [np.zeros(9), np.linspace(0, 0.02, 9), [0.01, *np.zeros(8)], [*np.full(8, 0.01), 0.0], [0.0, 0.005]],
)
@pytest.mark.parametrize("size", [(50, 5, 3), (100, 5, 3), (100, 5, 1)])
def test_the_true_regret_lies_within_its_bound(effects, size):
    found = regret(NOISE, Plan(*size), DATA_SETS, seed=4, effects=effects)
    assert found["within"] >= 0.95
    assert found["best kept"] >= 0.95


@pytest.mark.parametrize("other", [Plan(100, 5, 3), Plan(200, 5, 10)])
def test_the_components_of_one_study_predict_the_standard_error_of_another(other):
    assert 0.9 <= predicted_ratio(NOISE, Plan(100, 5, 3), other, DATA_SETS, seed=5) <= 1.1


def test_tests_over_patients_alone_call_equal_losses_different():
    for fixed in (False, True):
        claims = false_positives(NOISE, Plan(100, 5, 3, fixed), DATA_SETS, seed=6)
        assert claims["Wilcoxon over patients"] > 0.10
        assert claims["t over patients"] > 0.10
        assert claims["bootstrap over patients"] > 0.10
        remedy = "clustered by fold" if fixed else "two-way clustered by patient and run"
        assert 0.03 <= claims[remedy] <= 0.07


@pytest.mark.parametrize("size", [(40, 3), (100, 3), (100, 10), (200, 5)])
def test_the_smallest_difference_of_the_plan_is_shown_in_80_percent(size):
    patients, repeats = size
    training = 2 * (NOISE.run**2 + NOISE.training**2)
    components = Components(2 * NOISE.patient**2, training, 2 * NOISE.residual**2, folds=5)
    for comparisons in (1, 8):
        difference = smallest_difference(components, patients, repeats, comparisons)
        shown = power(NOISE, Plan(patients, 5, repeats), DATA_SETS, 7, difference, comparisons)
        assert 0.74 <= shown <= 0.86


@pytest.mark.parametrize("effects", [np.zeros(9), np.linspace(0, 0.04, 9), [0.03, *np.zeros(8)]])
def test_the_race_costs_less_than_the_grid_and_keeps_its_bound(effects):
    found = race(NOISE, 100, DATA_SETS, seed=8, effects=effects)
    assert found["within"] >= 0.99
    assert 18 <= found["cost"] < 45  # two looks of nine losses are the least, five repeats of nine the grid
    assert found["regret"] <= 0.002


def test_the_shortcuts_of_the_simulations_equal_the_functions_that_they_stand_for():
    random = np.random.default_rng(9)
    values = random.normal(0.1, 1, size=(20, 60))
    ours = wilcoxon_p_values(values)
    np.testing.assert_allclose(ours, [stats.wilcoxon(row, method="approx").pvalue for row in values])
    assert (min(holm(ours)) <= 0.05) == (min(ours) <= 0.05 / 20)
