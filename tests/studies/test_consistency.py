import numpy as np
import pytest

from scripts.errors import UserError
from scripts.studies.consistency import check_pair
from scripts.studies.paper_tables import TABLES_FILE, impossible_pairs, paper_scores


def test_the_second_table_holds_one_pair_that_contradicts_itself():
    # 2 * .6324 / 1.6324 = .7748 < .7873
    (score,) = impossible_pairs(paper_scores(2))
    assert (score.row, score.run, score.dice, score.iou) == ("ADFL+U-net", 2, 0.7873, 0.6324)
    assert score.check().highest == pytest.approx(0.77485, abs=5e-5)


def test_the_other_tables_hold_no_pair_that_contradicts_itself():
    assert [score.table for score in impossible_pairs(paper_scores())] == [2]


def test_every_mean_of_real_images_is_possible():
    random = np.random.default_rng(0)
    for concentration in (0.05, 0.5, 1, 20):
        iou = random.beta(concentration, concentration, size=(500, 8))
        dice = 2 * iou / (1 + iou)
        for mean_dice, mean_iou in zip(dice.mean(axis=1), iou.mean(axis=1), strict=True):
            assert check_pair(mean_dice, mean_iou, step=0).possible
            assert check_pair(round(mean_dice, 2), round(mean_iou, 2), step=0.01).possible


@pytest.mark.parametrize(
    ("dice", "iou", "possible"),
    [
        (0.5, 0.5, True),  # every iou 0 or 1
        (0.4998, 0.5, False),  # below the mean iou by more than the rounding
        (0.6667, 0.5, True),  # 2 * .5 / 1.5 = .66667, all equal
        (0.6669, 0.5, False),
        (0.0, 0.0, True),
        (1.0, 1.0, True),
        (1.0, 0.9, False),
    ],
)
def test_the_ends_are_what_equal_and_extreme_images_give(dice, iou, possible):
    assert check_pair(dice, iou).possible is possible


def test_rounding_to_fewer_digits_allows_more():
    assert not check_pair(0.7873, 0.6324).possible
    assert check_pair(0.79, 0.63, step=0.02).possible


def test_percentages_are_refused():
    with pytest.raises(
        UserError, match=r"mean dice must lie between 0 and 1, got 78.73; give percentages as fractions"
    ):
        check_pair(78.73, 63.24)
    with pytest.raises(UserError, match="step must be >= 0"):
        check_pair(0.7, 0.6, step=-1)


def test_the_paper_is_stored_whole():
    scores = paper_scores()
    # 11 rows of 3 runs (FL with U-Net is missing in the text), 12 of 3, 8 of 3, then 9, 6 and 6 rows
    assert [sum(score.table == table for score in scores) for table in range(2, 8)] == [33, 36, 24, 9, 6, 6]
    assert {score.loss for score in scores} == {"CE", "WCE", "FL", "FL (alpha 1)", "DFL", "ACW+CE", "ADFL"}
    assert len({(score.table, score.row, score.run) for score in scores}) == len(scores)
    assert sum(score.restored for score in scores) == 6


def test_each_pair_of_rows_is_a_dice_and_an_iou_of_the_same_condition():
    lines = TABLES_FILE.read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split(",") for line in lines]
    for dice, iou in zip(rows[::2], rows[1::2], strict=True):
        assert (dice[7], iou[7]) == ("dice", "iou")
        assert dice[:7] == iou[:7]
        assert float(dice[8]) > float(iou[8])


@pytest.mark.parametrize(
    ("table", "row", "run", "dice", "iou"),
    [
        (2, "WCE+DeepLabV3+", 1, 0.8445, 0.7457),
        (2, "ADFL+DeepLabV3+", 1, 0.8923, 0.8162),
        (3, "ADFL+Cityscape", 3, 0.6692, 0.5905),
        (4, "FL+SGDM", 3, 0.6346, 0.5035),
        (5, "DFL with ACW layer + TRUS", None, 0.8714, 0.7775),
        (6, "WCE + Cityscape", None, 0.6265, 0.5345),
        (7, "FL + MRI", None, 0.8916, 0.8388),
    ],
)
def test_numbers_stand_where_the_paper_has_them(table, row, run, dice, iou):
    (score,) = [score for score in paper_scores(table) if (score.row, score.run) == (row, run)]
    assert (score.dice, score.iou) == (dice, iou)
