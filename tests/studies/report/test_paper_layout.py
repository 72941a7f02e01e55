"""The paper's table beside ours, and pairs of means that can't be true."""

from __future__ import annotations

import dataclasses

from scripts.studies.paper_tables import paper_scores
from scripts.studies.report.blocks import Caution, Numbers
from scripts.studies.report.paper_layout import paper_blocks
from tests.studies.report.made_up import context_of, made_up_context

GAPS = {"ce": 0.0, "dfl": 0.01, "adfl": 0.08}


def test_each_row_of_the_paper_has_ours_below_it_and_impossible_pairs_are_marked() -> None:
    context = made_up_context(GAPS, metrics=True)
    rows = {"ce": "CE+DeepLabV3+", "adfl": "ADFL+DeepLabV3+"}
    study = dataclasses.replace(context.study, paper_table=2, paper_rows=rows)
    blocks = paper_blocks(dataclasses.replace(context, study=study))
    layout, differences = (block.table for block in blocks if isinstance(block, Numbers))
    labels = [(row[0], row[1]) for row in layout.rows]
    for loss, label in rows.items():
        assert labels[labels.index((label, "paper")) + 1] == (loss, "this study")
    assert labels[-1] == ("dfl", "this study")  # the paper has no such row
    own = next(row for row in layout.rows if row[0] == "adfl")
    assert own[2] == 100 * context.analysis.loss("adfl").repeat_means[0]
    marked = {(row[0], row[-1]) for row in layout.rows if row[-1]}
    wrong = [score for score in paper_scores(2) if not score.check().possible]
    assert len(wrong) == 1
    assert marked == {(wrong[0].row, f"run {wrong[0].run}")}
    assert f"{wrong[0].row} run {wrong[0].run}" in str(blocks)
    row = next(row for row in differences.rows if row[0] == "adfl")
    printed = [score.dice for score in paper_scores(2) if score.row == rows["adfl"]]
    result = context.analysis.loss("adfl")
    assert row[4] == result.estimate.mean - sum(printed) / len(printed)
    assert isinstance(row[5], float)
    assert row[5] == result.low - sum(printed) / len(printed)


def test_means_of_dice_and_iou_that_contradict_each_other_are_cautioned_of() -> None:
    context = made_up_context(GAPS, metrics=True)
    assert paper_blocks(context) == []
    wrong = [
        dataclasses.replace(score, metrics={"iou/prostate": 0.5 * score.score} if score.loss == "ce" else score.metrics)
        for score in context.study.scores
    ]
    blocks = paper_blocks(context_of(dataclasses.replace(context.study, scores=wrong)))
    (caution,) = blocks
    assert isinstance(caution, Caution)
    assert caution.text.startswith("For ce the mean of iou/prostate and the mean")
