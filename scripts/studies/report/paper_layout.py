"""The scores in the layout of the paper's tables, and pairs of mean Dice and mean IoU that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..consistency import check_pair
from ..paper_tables import PaperScore, paper_scores
from .blocks import Block, Caution, Numbers, Text
from .context import Context
from .exploratory import metric_grid
from .standing import by_mean
from .tables import Cell, Table, number
from .words import listed


def paper_blocks(context: Context) -> list[Block]:
    """The paper's table with this study's numbers below each row, and their differences, where it repeats a table.

    For any study: a caution where the mean of a column "iou" can't belong to the mean primary score.
    """
    number_ = context.study.paper_table
    blocks = _impossible_own(context)
    if number_ is None:
        return blocks
    printed = paper_scores(number_)
    impossible = [score for score in printed if not score.check().possible]
    blocks.append(Numbers(layout_table(context, printed)))
    if impossible:
        blocks.append(Text(_why_impossible(impossible)))
    return [*blocks, Numbers(difference_table(context, printed))]


def layout_table(context: Context, printed: Sequence[PaperScore]) -> Table:
    """A row of the paper's with its runs side by side, in percent, and this study's repeats in the row below it."""
    rows_of = context.study.paper_rows
    losses = list(context.analysis.table.losses)
    runs = {score.run for score in printed}
    width = max(len(runs), len(context.analysis.table.repeats))
    rows: list[list[Cell]] = []
    for label in dict.fromkeys(score.row for score in printed):
        rows.append(_printed_row(label, [score for score in printed if score.row == label], width))
        rows += [_own_row(context, loss, width) for loss in losses if rows_of.get(loss) == label]
    rows += [_own_row(context, loss, width) for loss in losses if rows_of.get(loss) not in {s.row for s in printed}]
    heads = [head for run in range(1, width + 1) for head in (f"run {run} mDSC %", f"run {run} mIOU %")]
    return Table(
        "paper_table",
        f"Table {context.study.paper_table} of the paper, and this study",
        ["condition", "from", *heads, "impossible pairs"],
        rows,
        digits=dict.fromkeys(heads, 2),
        strong=[place for place, row in enumerate(rows) if row[1] == "this study"],
        note=f"A run of this study is a repeat. The paper gives no interval.{_restored(printed)}",
    )


def difference_table(context: Context, printed: Sequence[PaperScore]) -> Table:
    """Paper's mean over its runs, this study's mean with its 95 % interval, and the difference."""
    rows: list[list[Cell]] = []
    for result in by_mean(context.analysis):
        label = context.study.paper_rows.get(result.loss)
        values = [score.dice for score in printed if score.row == label]
        if values:
            mean = float(np.mean(values))
            known = math.isfinite(result.estimate.standard_error)  # else the ends are those of the score's range
            ends = [end - mean if known else math.nan for end in (result.low, result.high)]
            rows.append([result.loss, label, mean, result.estimate.mean, result.estimate.mean - mean, *ends])
    columns = [context.terms.thing, "row of the paper", "paper", "this study", "difference", "95 % low", "95 % high"]
    return Table(
        "paper_differences",
        "This study less the paper: mean Dice",
        columns,
        rows,
        signed=columns[4:],
        note="The interval holds this study's uncertainty alone: the paper does not give its own.",
    )


def _printed_row(label: str, scores: Sequence[PaperScore], width: int) -> list[Cell]:
    cells: list[Cell] = []
    for place in range(width):
        cells += [100 * scores[place].dice, 100 * scores[place].iou] if place < len(scores) else [None, None]
    wrong = [f"run {score.run or 1}" for score in scores if not score.check().possible]
    return [label, "paper", *cells, listed(wrong)]


def _own_row(context: Context, loss: str, width: int) -> list[Cell]:
    table = context.analysis.table
    ious = _mean_ious(context, loss)
    dices = context.analysis.loss(loss).repeat_means
    cells: list[Cell] = []
    for place in range(width):
        there = place < len(table.repeats)
        cells += [100 * dices[place], 100 * ious[place]] if there else [None, None]
    return [loss, "this study", *cells, ""]


def _mean_ious(context: Context, loss: str) -> list[float]:
    """Mean IoU of each repeat, over the foreground classes that the scores have; NaN without any."""
    table = context.analysis.table
    names = iou_names(context)
    if not names:
        return [math.nan] * len(table.repeats)
    grids = np.stack([metric_grid(table, context.study.scores, name)[table.index(loss)] for name in names])
    return [
        float(np.nanmean(grids[:, place])) if np.isfinite(grids[:, place]).any() else math.nan
        for place in range(len(table.repeats))
    ]


def iou_names(context: Context) -> list[str]:
    """Names of the scores that are an IoU of the foreground."""
    names = dict.fromkeys(name for score in context.study.scores for name in score.metrics)
    parts = {name: name.lower().replace("-", "/").replace("_", "/").split("/") for name in names}
    return [name for name, words in parts.items() if "iou" in words and "background" not in words]


def _restored(printed: Sequence[PaperScore]) -> str:
    rows = list(dict.fromkeys(score.row for score in printed if score.restored))
    return f" Broken in print, its digits put together again: {listed(rows)}." if rows else ""


def _why_impossible(scores: Sequence[PaperScore]) -> str:
    named = [f"{score.row}{f' run {score.run}' if score.run else ''}" for score in scores]
    check = scores[0].check()
    return (
        f"Pairs of the paper that contradict themselves: {listed(named)}. Over the same images a mean IoU of "
        f"{number(check.iou, 4)} allows a mean Dice of {number(check.lowest, 4)} to {number(check.highest, 4)}, and "
        f"{number(check.dice, 4)} is printed."
    )


def _impossible_own(context: Context) -> list[Block]:
    """A caution for scores of anyone's whose mean IoU does not fit the mean Dice."""
    names = iou_names(context)
    if "dice" not in context.study.primary.lower() or len(names) != 1:
        return []
    wrong = []
    grid = metric_grid(context.analysis.table, context.study.scores, names[0])
    for loss, dices, ious in zip(context.analysis.table.losses, context.analysis.table.values, grid, strict=True):
        both = ~np.isnan(dices) & ~np.isnan(ious) & (ious >= 0) & (ious <= 1)
        if both.any() and not check_pair(float(dices[both].mean()), float(ious[both].mean()), step=0.0).possible:
            wrong.append(loss)
    if not wrong:
        return []
    text = (
        f"For {listed(wrong)} the mean of {names[0]} and the mean {context.study.primary} can't be of the same images."
    )
    return [Caution(f"{text} One of the two columns is wrong.")]
