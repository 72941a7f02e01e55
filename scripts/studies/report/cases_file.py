"""Anyone's scores: a table with the columns loss, repeat, fold, case and score."""

from __future__ import annotations

import difflib
import math
from pathlib import Path

from ...errors import UserError
from .record import CaseScore
from .table_file import TextTable

NEEDED = {"loss": "what is compared", "case": "the image or volume", "score": "the score that is compared"}
OPTIONAL = ("repeat", "fold", "patient")


def read_cases(path: str | Path) -> tuple[list[CaseScore], list[str]]:
    """Read scores that any program wrote, one row per loss, repeat, fold and case.

    Without a column ``repeat`` or ``fold`` all rows are of one repeat or fold. ``patient`` names the independent unit
    where a patient has several cases. Every further column of numbers is a further score; others are left out.

    Args:
        path: CSV with comma, semicolon or tab, UTF-8 or UTF-16, decimal point or comma.

    Returns:
        The scores, and a sentence for each thing that can't be known since its column is not there.

    Raises:
        UserError: a column is missing, a cell is no number, a score lies outside 0 to 1, or a row comes twice.
    """
    table = TextTable(path)
    _refuse_missing(table)
    numeric = ["score", *_further(table)]
    comma = table.decimal_comma(numeric)
    repeats, folds = _numbered(table, "repeat"), _numbered(table, "fold")
    scores, seen = [], dict[tuple[str, int, int, str], int]()
    for line, row in table.rows:
        values = {name: table.number(line, row, name, comma) for name in numeric}
        place = repeats[row.get("repeat", "")], folds[row.get("fold", "")]
        score = _case_score(table, line, row, values, place)
        key = (score.loss, score.repeat, score.fold, score.case)
        if key in seen:
            raise UserError(
                f"{path}, line {line} is the same loss, repeat, fold and case as line {seen[key]} "
                f"({score.loss}, {score.repeat}, {score.fold}, {score.case}); keep one, or number the repeats"
            )
        seen[key] = line
        scores.append(score)
    return scores, _unknown(table)


def _unknown(table: TextTable) -> list[str]:
    """What the missing columns leave open."""
    notes = []
    if "repeat" not in table.columns:
        notes.append(
            "The scores have no column repeat and are taken as one repeat: how much a second training would differ is "
            "hardly known."
        )
    if "fold" not in table.columns:
        notes.append(
            "The scores have no column fold, so each repeat is taken as one training; if its cases come from several "
            "trainings, name them in a column fold."
        )
    if "patient" not in table.columns:
        notes.append("The scores have no column patient: each case is taken as independent.")
    return notes


def _refuse_missing(table: TextTable) -> None:
    for name in NEEDED:
        if name not in table.columns:
            near = difflib.get_close_matches(name, table.columns, n=1, cutoff=0.6)
            hint = f"; is it '{near[0]}'?" if near else f"; call {NEEDED[name]} so."
            raise UserError(
                f"{table.path} has no column '{name}'{hint} It has {', '.join(table.columns) or 'none'}; needed are "
                f"{', '.join(NEEDED)}, known are {', '.join(OPTIONAL)} too"
            )


def _further(table: TextTable) -> list[str]:
    """Columns that hold numbers alone, beside the known ones."""
    others = [name for name in table.columns if name and name not in (*NEEDED, *OPTIONAL)]
    return [name for name in others if _is_numeric(table, name)]


def _is_numeric(table: TextTable, name: str) -> bool:
    found = False
    for line, row in table.rows:
        try:
            found |= not math.isnan(table.number(line, row, name, comma=True))
        except UserError:
            return False
    return found


def _case_score(
    table: TextTable, line: int, row: dict[str, str], values: dict[str, float], place: tuple[int, int]
) -> CaseScore:
    for name in ("loss", "case"):
        if not row[name]:
            raise UserError(f"{table.path}, line {line}: {name} is empty")
    if row.get("patient") == "":
        raise UserError(f"{table.path}, line {line}: patient is empty; name it in every row, or leave the column out")
    score = values.pop("score")
    if not (math.isnan(score) or 0 <= score <= 1):
        raise UserError(
            f"{table.path}, line {line}: score {row['score']} lies outside 0 to 1; a score must be higher where it is "
            "better, percentages are divided by 100"
        )
    return CaseScore(row["loss"], *place, row["case"], score, row.get("patient", ""), values)


def _numbered(table: TextTable, name: str) -> dict[str, int]:
    """A number for every repeat or fold: itself where all are whole numbers, else its place in their order."""
    if name not in table.columns:
        return {"": 0}
    labels = sorted({row[name] for _line, row in table.rows})
    if "" in labels:
        line = next(line for line, row in table.rows if not row[name])
        raise UserError(f"{table.path}, line {line}: {name} is empty; fill every row, or leave the column out")
    if all(label.isdecimal() for label in labels):
        return {label: int(label) for label in labels}
    return {label: number for number, label in enumerate(labels)}
