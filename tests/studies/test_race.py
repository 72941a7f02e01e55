from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from scripts.errors import UserError
from scripts.studies.decision import analyse
from scripts.studies.race import Race, most_repeats, next_step, watch
from scripts.studies.score_rows import score_table
from tests.studies.simulation import Noise, Plan
from tests.studies.tables import simulated_rows, simulated_table

PLAN = Plan(40, 5, 5)
QUIET = Noise(patient=0.005, run=0.005, training=0.0, residual=0.005)


def raced(effects, noise=QUIET, repeats_done=5, margin=0.01):
    """A race whose dropped losses have no later repeats, as in life."""
    rows = simulated_rows(PLAN, effects, noise=noise)
    losses = tuple(dict.fromkeys(row.loss for row in rows))
    last = dict.fromkeys(losses, 5)
    for look in watch(score_table(rows), losses, margin, repeats_done).looks:
        last |= dict.fromkeys(look.dropped, look.repeats)
    kept = [row for row in rows if row.repeat < last[row.loss]]
    return watch(score_table(kept), losses, margin, repeats_done), watch(
        score_table(rows), losses, margin, repeats_done
    )


def test_clearly_worse_losses_are_dropped_at_the_first_look_and_their_later_repeats_are_not_needed():
    race, full = raced([0.0, 0.1, 0.05])
    assert race.chosen == "B"
    assert race.alive == ("B",)
    assert [look.repeats for look in race.looks] == [2]
    assert race.looks[0].dropped == ("A", "C")  # worst first
    assert race.regret_bound == full.regret_bound == 0


def test_the_bound_shares_the_error_among_looks_and_losses():
    table = simulated_table(PLAN, [0.0, 0.01, 0.02])
    (look,) = watch(table, ("A", "B", "C"), 0.01, 2).looks
    first = look.losses.index(look.leader)
    for k, loss in enumerate(look.losses):
        if k != first:
            two = replace(table, repeats=(0, 1), values=table.values[:, :2], folds=table.folds[:2])
            each = analyse(two).pair(loss, look.leader).estimate
            expected = each.mean + stats.t.ppf(1 - 0.05 / (3 * 2), 9) * each.standard_error
            assert look.bounds[k, first] == pytest.approx(expected)


def test_no_look_is_held_before_two_repeats():
    race = watch(simulated_table(PLAN, [0.0, 0.1]), ("A", "B"), 0.01, 1)
    assert (race.looks, race.chosen, race.regret_bound, race.alive) == ((), None, None, ("A", "B"))


def test_the_final_bound_counts_the_dropped_and_takes_the_least_of_each():
    table = simulated_table(PLAN, [0.0, 0.0, 0.0], noise=Noise())
    race = watch(table, ("A", "B", "C"), 1e-6, 5)
    assert [look.repeats for look in race.looks] == [2, 3, 5]
    least = []
    for loss in {"A", "B", "C"} - {race.chosen}:
        seen = [look for look in race.looks if loss in look.losses]
        least.append(min(look.bounds[look.losses.index(loss), look.losses.index(race.chosen)] for look in seen))
    assert race.regret_bound == pytest.approx(max(0, *least))


def test_a_near_equal_loss_is_dropped_once_it_cannot_win_by_the_margin():
    noise = Noise(patient=0.001, run=0.001, training=0.0, residual=0.001)
    race, _ = raced([0.0, 0.001], noise=noise)
    assert race.looks[0].dropped == (("A",) if race.chosen == "B" else ("B",))
    assert race.regret_bound <= 0.01


def test_a_loss_alive_that_lacks_a_repeat_is_refused():
    rows = [row for row in simulated_rows(PLAN, [0.0, 0.0]) if (row.loss, row.repeat) != ("B", 1)]
    with pytest.raises(UserError, match="condition B has no score in repeat 1, which the race looks at: run it first"):
        watch(score_table(rows), ("A", "B"), 0.01, 2)
    with pytest.raises(UserError, match="condition X has no scores"):
        watch(score_table(rows), ("A", "B", "X"), 0.01, 2)


def test_a_repeat_is_begun_only_if_it_fits():
    race = Race(("A", "B"), ("A", "B"), (), None, None)
    hours = {"A": 1.0, "B": 2.0}
    assert next_step(race, 1, 3.0, hours).action == "repeat"
    stopped = next_step(race, 1, 2.9, hours)
    assert (stopped.action, stopped.reason) == ("stop", "one more repeat takes 3.0 hours and 2.9 are left")
    assert next_step(race, 1, float("inf"), hours).reason == "repeat 2 of 2 conditions, 3.0 hours"


def test_the_race_stops_at_one_loss_and_at_the_last_look():
    hours = {"A": 1.0, "B": 1.0}
    assert (
        next_step(Race(("A", "B"), ("B",), (), "B", 0.0), 2, 99.0, hours).reason == "every condition but B is dropped"
    )
    assert "last look" in next_step(Race(("A", "B"), ("A", "B"), (), "B", 0.1), 5, 99.0, hours).reason


def test_repeats_that_fit_are_whole_and_no_more_than_the_last_look():
    hours = {"A": 1.0, "B": 2.0}
    assert [most_repeats(budget, hours) for budget in (2.9, 3.0, 8.9, 100.0, float("inf"))] == [0, 1, 2, 5, 5]


def test_the_same_scores_give_the_same_race():
    one, other = raced([0.0, 0.005, 0.01], noise=Noise()), raced([0.0, 0.005, 0.01], noise=Noise())
    assert one[0].regret_bound == other[0].regret_bound
    np.testing.assert_array_equal(one[0].looks[0].bounds, other[0].looks[0].bounds)
