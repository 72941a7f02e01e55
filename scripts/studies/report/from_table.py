"""The report of scores that any program made."""

from __future__ import annotations

import logging
from pathlib import Path

from ...configuration.places import require_place
from ...errors import UserError
from ..decision import DEFAULT_MARGIN
from ..file_values import number_between, one_line, path_text, truth
from ..score_rows import score_table
from ..terms import Terms, noun
from .build import build_report
from .cases_file import read_cases
from .record import StudyRecord

logger = logging.getLogger(__name__)


def report_scores(
    scores: str | None,
    output_dir: str | Path,
    *,
    name: str | None = None,
    question: str | None = None,
    primary: str = "Dice",
    margin: float | None = DEFAULT_MARGIN,
    reference: str | None = None,
    compared: str = "condition",
    unit: str | None = None,
    leaky: bool = False,
) -> Path:
    """Report the scores in a table with the columns loss, repeat, fold, case and score.

    Args:
        scores: the table, CSV; see ``cases_file.read_cases``.
        output_dir: the report goes into the folder ``name`` in it.
        name: of the study; None takes the table's file name.
        question: what the study asks; None asks which of the compared to train with.
        primary: what the column ``score`` holds, 0 to 1, higher is better.
        margin: smallest difference that matters, above 0 and below 1; None: 0.01.
        reference: the condition that the others are compared with; None compares all pairs.
        compared: what the column ``loss`` holds, in the singular: "loss", "network", ...
        unit: what is independent: what the column ``patient`` holds; None: "patient", or "case" without that column.
        leaky: accept cases of one unit in several folds of a repeat; the report says so.

    Returns:
        The path of the page.

    Raises:
        UserError: no table is named, it can't be read, its scores can't be compared, or a setting is wrong.
    """
    if not scores:
        raise UserError(
            "no scores are named; add --from FILE, a CSV with the columns loss, repeat, fold, case and score"
        )
    title = one_line(name, "name") or Path(path_text(scores, "from")).stem
    if "\0" in title or title != Path(title).name or title.startswith("."):
        raise UserError(f"name must be a plain folder name, got '{title}'")
    if not one_line(primary, "primary"):
        raise UserError("primary must say what the column score holds, such as Dice")
    smallest = number_between(margin, "margin", 0.0, 1.0) or DEFAULT_MARGIN
    thing = noun(compared, "compared")
    unit = None if unit is None else noun(unit, "unit")
    folder, leaky = require_place(output_dir), truth(leaky, "leaky")
    cases, notes = read_cases(scores)
    try:
        table = score_table(cases, leaky=leaky)
    except UserError as error:
        raise UserError(f"{scores}: {error}") from None
    grouped = "patient" if any(case.patient for case in cases) else "case"
    study = StudyRecord(
        name=title,
        scores=cases,
        notes=notes,
        question=one_line(question, "question"),
        primary=primary,
        margin=smallest,
        reference=None if reference is None else str(reference),
        terms=Terms(thing, unit or grouped, parted="case" if table.leaky else ""),
        leaky=table.leaky,
    )
    path = build_report(study, folder / title)
    logger.info("report: %s", path)
    return path
