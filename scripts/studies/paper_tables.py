"""The result tables 2 to 7 of the paper, as printed.

Hossain, Paplinski, Betts, arXiv:1909.11932v2. ``paper_tables.csv`` holds one number a row. The text that it was
taken from prints two rows in halves, top and bottom apart (ADFL with DeepLabV3+ in Table 2, ADFL on Cityscape in
Table 3): their digits were put together again and are marked ``restored``. A row of Table 2, FL with U-Net, is missing
in that text.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .consistency import PairCheck, check_pair

TABLES_FILE = Path(__file__).with_name("paper_tables.csv")


@dataclass(frozen=True)
class PaperScore:
    """A pair of numbers of the paper.

    Args:
        table: number of the table, 2 to 7.
        row: label of its row as printed, without blanks round the first "+".
        run: test run, 1 to 3; None where the table has one column of each score.
        data: "MRI", "TRUS" or "Cityscape".
        network: "DeepLabV3+", "VGG19 FCN" or "U-Net".
        optimizer: "Adam" or "SGDM".
        loss: "CE", "WCE", "FL", "FL (alpha 1)", "DFL", "ACW+CE" or "ADFL".
        dice: mean Dice, 0 to 1.
        iou: mean IoU, 0 to 1.
        restored: the digits were put together from a broken print.
    """

    table: int
    row: str
    run: int | None
    data: str
    network: str
    optimizer: str
    loss: str
    dice: float
    iou: float
    restored: bool

    def check(self) -> PairCheck:
        """Whether the two can be means over the same images; printed to 0.01 %."""
        return check_pair(self.dice, self.iou, step=0.0001)


def paper_scores(table: int | None = None) -> list[PaperScore]:
    """The numbers of one table, or of all, in the paper's order."""
    with TABLES_FILE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    scores = [_score(dice, iou) for dice, iou in pairs]
    return [score for score in scores if table in (None, score.table)]


def impossible_pairs(scores: Sequence[PaperScore]) -> list[PaperScore]:
    """Those whose mean Dice and mean IoU contradict each other."""
    return [score for score in scores if not score.check().possible]


def _score(dice: dict[str, str], iou: dict[str, str]) -> PaperScore:
    """One pair from its two rows of the file: Dice first."""
    return PaperScore(
        table=int(dice["table"]),
        row=dice["row"],
        run=int(dice["run"]) if dice["run"] else None,
        data=dice["data"],
        network=dice["network"],
        optimizer=dice["optimizer"],
        loss=dice["loss"],
        dice=round(float(dice["percent"]) / 100, 4),
        iou=round(float(iou["percent"]) / 100, 4),
        restored=dice["note"] == "restored",
    )
