"""Tables say the same in every form, whatever the names in them."""

from __future__ import annotations

import csv
import dataclasses
import io
import math

import pytest

from scripts.studies.report.exploratory import metric_tables
from scripts.studies.report.standing import loss_table, pair_table, simultaneous_table
from scripts.studies.report.tables import Table, latex, markdown, number
from tests.studies.report.made_up import LOSSES, made_up_context

AWKWARD = r"<b> a_b% & $x$ #1 {c} \d ~e^ | *f* `g`"


def table() -> Table:
    rows = [["=1+1", 0.12345678901234567, 3, None], [AWKWARD, float("nan"), 4, "yes"]]
    return Table("t", "A title", ["name", "value", "count", "note"], rows, signed=["value"], note="100 %")


def test_csv_has_every_digit_and_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(table().to_csv())))
    assert rows[0] == ["name", "value", "count", "note"]
    assert rows[1] == ["'=1+1", "0.12345678901234566", "3", ""]
    assert rows[2] == [AWKWARD, "", "4", "yes"]


def test_markdown_rows_hold_one_cell_a_column() -> None:
    text = table().to_markdown()
    assert "| name | value | count | note |" in text
    assert "| --- | ---: | ---: | --- |" in text
    assert "+0.123" in text
    cells = text.splitlines()[5].replace("\\|", "").split("|")
    assert len(cells) == 6
    assert "<b>" not in text


def test_latex_escapes_every_special_character() -> None:
    text = table().to_latex()
    assert r"a\_b\% \& \$x\$ \#1 \{c\} \textbackslash{}d \textasciitilde{}e\textasciicircum{} \textbar{}" in text
    assert r"\begin{tabular}{lrrl}" in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"100 \%" in text


def test_newlines_in_a_name_do_not_break_a_row() -> None:
    assert latex("a\nb") == "a b"
    assert markdown("a\nb") == "a b"


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [(0.0004, True, "0.000"), (-0.0004, False, "0.000"), (0.0005001, True, "+0.001"), (-1.5, False, "-1.500")],
)
def test_a_value_that_rounds_to_zero_has_no_sign(value: float, signed: bool, text: str) -> None:
    assert number(value, signed=signed) == text


def test_the_tables_hold_the_numbers_of_the_analysis() -> None:
    analysis = made_up_context({"ce": 0.0, "dfl": 0.01, "adfl": 0.08}).analysis
    losses = list(csv.DictReader(io.StringIO(loss_table(analysis, "Dice", LOSSES).to_csv())))
    assert [row["loss"] for row in losses] == ["adfl", "dfl", "ce"]
    for row in losses:
        result = analysis.loss(row["loss"])
        assert float(row["mean"]) == result.estimate.mean
        assert (float(row["95 % low"]), float(row["95 % high"])) == (result.low, result.high)
        assert float(row["others may be better by"]) == result.regret_bound
    for row in csv.DictReader(io.StringIO(pair_table(analysis, LOSSES).to_csv())):
        pair = analysis.pair(row["first"], row["second"])
        assert float(row["difference"]) == pair.estimate.mean
        assert float(row["p (Holm)"]) == pair.p_holm
        assert row["verdict"].startswith(pair.verdict)
    shown = simultaneous_table(analysis, LOSSES)
    for other, row in zip(analysis.against_chosen, csv.DictReader(io.StringIO(shown.to_csv())), strict=True):
        assert float(row["difference"]) == other.difference
        assert float(row["95 % low, all pairs"]) == other.low
        assert f"{number(other.low, signed=True)} &" in shown.to_latex()
        assert f"| {number(other.high, signed=True)} |" in shown.to_markdown()


def test_an_interval_that_is_not_known_is_no_number() -> None:
    analysis = made_up_context({"ce": 0.0, "dfl": 0.01, "adfl": 0.08}, repeats=1, folds=1).analysis
    for made in (
        loss_table(analysis, "Dice", LOSSES),
        pair_table(analysis, LOSSES),
        simultaneous_table(analysis, LOSSES),
    ):
        assert all(
            row[column].startswith("–")
            for row in made.shown()
            for column in range(len(row))
            if "95 %" in made.columns[column]
        )


def test_intervals_of_further_scores_end_where_the_score_does() -> None:
    context = made_up_context({"ce": 0.0, "adfl": 0.01}, patients=10, repeats=2)
    extreme = {"dice/x": (0.0, 1.0), "volume_difference_relative/x": (-2.0, 2.0), "hd95_mm/x": (0.0, 90.0)}
    scores = [
        dataclasses.replace(
            score,
            metrics={name: ends[score.case == "Case03"] for name, ends in extreme.items()}
            | {"other": 1.0 * (score.fold == 0)},
        )
        for score in context.study.scores
    ]
    _, table = metric_tables(context.analysis, scores, LOSSES)
    lowest = {"dice/x": 0.0, "volume_difference_relative/x": -2.0, "hd95_mm/x": 0.0}
    for name, _loss, mean, low, high, _found in table.rows:
        assert low < mean < high
        if name in lowest:
            assert low == lowest[name]  # without the score's end it would be below
        else:
            assert low < 0


def test_one_training_a_loss_gives_no_interval_of_further_scores() -> None:
    context = made_up_context({"ce": 0.0, "adfl": 0.01}, patients=10, repeats=1, folds=1, metrics=True)
    _, table = metric_tables(context.analysis, context.study.scores, LOSSES)
    assert all(math.isnan(row[3]) and math.isnan(row[4]) for row in table.rows)
