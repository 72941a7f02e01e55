from dataclasses import replace

import numpy as np
import pytest

from scripts.errors import UserError
from scripts.studies.score_rows import score_table
from tests.studies.tables import SMALL, Row, simulated_rows

ROWS = [
    Row(loss, repeat, fold, case, score)
    for loss, offset in (("CE", 0.0), ("DFL", 0.1))
    for repeat, order in enumerate(("abcd", "acbd"))
    for (fold, case), score in zip(zip((0, 0, 1, 1), order, strict=True), (0.5, 0.6, 0.7, 0.8), strict=True)
    for score in [score + offset]
]


def changed(at, **fields):
    return [replace(row, **fields) if place == at else row for place, row in enumerate(ROWS)]


def test_rows_in_any_order_give_the_same_table():
    table = score_table(ROWS)
    shuffled = score_table([ROWS[0], *reversed(ROWS[1:])])
    assert table.losses == shuffled.losses == ("CE", "DFL")
    assert table.cases == ("a", "b", "c", "d")
    assert table.folds.tolist() == [[0, 0, 1, 1], [0, 1, 0, 1]]
    np.testing.assert_allclose(table.values[0], [[0.5, 0.6, 0.7, 0.8], [0.5, 0.7, 0.6, 0.8]])
    np.testing.assert_array_equal(table.values, shuffled.values)
    assert table.num_patients == 4
    assert table.num_folds == 2


def test_missed_objects_count_and_empty_cases_are_counted_out():
    rows = [replace(row, score={"a": 0.0, "b": float("nan")}.get(row.case, row.score)) for row in ROWS]
    table = score_table(rows)
    assert table.missed == (2, 2)
    assert table.excluded == (2, 2)
    assert np.isnan(table.values[:, :, 1]).all()
    assert table.folds[0, 1] == 0  # tested all the same


def test_a_run_that_one_loss_lacks_is_named_and_leaves_holes():
    table = score_table([row for row in ROWS if (row.loss, row.repeat, row.fold) != ("DFL", 1, 0)])
    assert table.missing_runs == (("DFL", 1, 0),)
    assert np.isnan(table.values[1, 1]).tolist() == [True, False, True, False]
    assert table.excluded == (0, 0)


def test_patients_group_cases():
    table = score_table([replace(row, patient="pq"[row.case in "cd"]) for row in ROWS if row.repeat == 0])
    assert table.patients == ("p", "p", "q", "q")
    assert table.num_patients == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "a comparison needs at least two conditions, there are no scores"),
        (ROWS[:8], "a comparison needs at least two conditions, only CE is there"),
        (
            [row for row in ROWS if row.case == "a"],
            "a comparison needs at least two independent units, all cases are of a",
        ),
        ([*ROWS, ROWS[0]], "case a of condition CE, repeat 0, fold 0 comes twice: remove one of the rows"),
        (changed(0, score=1.2), r"case a of condition CE, repeat 0, fold 0 scores 1.2, outside 0 to 1"),
        (changed(0, score=85.0), "scores 85, outside 0 to 1; give percentages as fractions"),
        (changed(0, score=-0.1), "scores -0.1, outside 0 to 1"),
        (changed(0, score=float("inf")), "scores inf, outside 0 to 1"),
        (changed(0, fold=-1), "a fold is numbered from 0"),
        ([*ROWS, Row("CE", 0, 1, "a", 0.5)], "case a is tested twice in repeat 0 of condition CE, in folds 0 and 1"),
        (changed(0, fold=1), "case a is in fold 1 of repeat 0 for condition CE and in fold 0 for condition DFL"),
        (changed(0, patient="p"), "case a is of unit p and of unit a: name one"),
        (ROWS[1:], "condition CE, repeat 0, fold 0 has no row for case a, which other conditions have in that run"),
        (
            [replace(row, patient="p" if row.case in "bc" else "") for row in ROWS],
            "unit p has cases in folds 0 and 1",
        ),
        ([replace(row, score=float("nan")) if row.loss == "CE" else row for row in ROWS], "condition CE has no score"),
    ],
)
def test_what_is_wrong_with_rows_is_said_in_one_line(rows, message):
    with pytest.raises(UserError, match=message) as error:
        score_table(rows)
    assert "\n" not in str(error.value)


def test_a_leaky_study_has_to_be_declared_and_is_marked():
    rows = [replace(row, patient="p" if row.case in "bc" else "") for row in ROWS]
    assert score_table(rows, leaky=True).leaky
    assert not score_table(ROWS, leaky=True).leaky


def test_other_bounds_hold_other_scores():
    table = score_table([replace(row, score=-5 * row.score) for row in ROWS], bounds=(-10.0, 0.0))
    assert table.values.min() >= -10


def test_two_hundred_runs_are_arranged_at_once():
    rows = simulated_rows(SMALL, [0.0] * 9)
    assert score_table(rows).values.shape == (9, 3, 20)
