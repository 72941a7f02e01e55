"""From long rows, one a score, to the table that a study is analysed from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ..errors import UserError
from .scores import Floats, Integers, ScoreTable

Run = tuple[str, int, int]  # loss, repeat, fold


class ScoreRow(Protocol):
    """One score: what ``score_table`` reads of a row."""

    @property
    def loss(self) -> str:
        """Name of the condition that is compared."""

    @property
    def repeat(self) -> int:
        """Number of the repeat."""

    @property
    def fold(self) -> int:
        """Fold within the repeat whose run tested the case."""

    @property
    def case(self) -> str:
        """Name of the case."""

    @property
    def score(self) -> float:
        """The score, higher is better; NaN: none, since truth and prediction are both empty."""

    @property
    def patient(self) -> str:
        """The independent unit of the case; empty: the case."""


def score_table(
    rows: Iterable[ScoreRow], *, bounds: tuple[float, float] = (0.0, 1.0), leaky: bool = False
) -> ScoreTable:
    """Check rows and arrange them.

    Args:
        rows: in any order; the losses keep the order in which they come.
        bounds: lowest and highest possible score.
        leaky: accept a patient whose cases lie in several folds of a repeat, and mark the table.

    Raises:
        UserError: there are fewer than two losses or two patients; a row comes twice; a case is in two folds of a
            repeat, in another fold for another loss, or of two patients; a run lacks some of the cases that another
            loss has in it; a score lies outside the bounds; a patient lies in two folds of a repeat and ``leaky`` is
            not set; a loss has no score at all.
    """
    kept = list(rows)
    runs = _runs(kept, bounds)
    patients = _patients(kept)
    folds = _folds(runs)
    _refuse_partial_runs(runs)
    straddling = _straddling(folds, patients)
    if straddling and not leaky:
        raise UserError(straddling)
    losses = tuple(dict.fromkeys(row.loss for row in kept))
    _refuse_too_few(losses, patients)
    return _arrange(runs, losses, patients, folds, bounds, bool(straddling))


def _runs(rows: Sequence[ScoreRow], bounds: tuple[float, float]) -> dict[Run, dict[str, float]]:
    """Scores by run and case."""
    runs: dict[Run, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row.fold < 0:
            raise UserError(f"{_place(row)}: a fold is numbered from 0")
        cases = runs[row.loss, row.repeat, row.fold]
        if row.case in cases:
            raise UserError(f"{_place(row)} comes twice: remove one of the rows")
        if not (math.isnan(row.score) or bounds[0] <= row.score <= bounds[1]):
            hint = "; give percentages as fractions" if bounds[1] == 1 < row.score <= 100 else ""
            raise UserError(f"{_place(row)} scores {row.score:g}, outside {bounds[0]:g} to {bounds[1]:g}{hint}")
        cases[row.case] = row.score
    return dict(runs)


def _place(row: ScoreRow) -> str:
    return f"case {row.case} of condition {row.loss}, repeat {row.repeat}, fold {row.fold}"


def _patients(rows: Sequence[ScoreRow]) -> dict[str, str]:
    """The patient of each case, cases sorted."""
    patients: dict[str, str] = {}
    for row in rows:
        patient = row.patient or row.case
        if patients.setdefault(row.case, patient) != patient:
            raise UserError(f"case {row.case} is of unit {patients[row.case]} and of unit {patient}: name one")
    return dict(sorted(patients.items()))


def _folds(runs: Mapping[Run, Mapping[str, float]]) -> dict[tuple[int, str], int]:
    """The fold of each case in each repeat, the same for every loss."""
    folds: dict[tuple[int, str], tuple[int, str]] = {}
    for (loss, repeat, fold), cases in runs.items():
        for case in cases:
            known, of = folds.setdefault((repeat, case), (fold, loss))
            if known == fold:
                continue
            if of == loss:
                raise UserError(
                    f"case {case} is tested twice in repeat {repeat} of condition {loss}, in folds {known} and "
                    f"{fold}: a repeat tests each case once; number the repeats"
                )
            raise UserError(
                f"case {case} is in fold {known} of repeat {repeat} for condition {of} and in fold {fold} for "
                f"condition {loss}: conditions are compared on the same partitions; number equal partitions alike"
            )
    return {key: fold for key, (fold, _) in folds.items()}


def _refuse_partial_runs(runs: Mapping[Run, Mapping[str, float]]) -> None:
    """Refuse a run without some of the cases that the same run of another loss has: nothing may drop out unseen."""
    whole: dict[tuple[int, int], set[str]] = defaultdict(set)
    for (_, repeat, fold), cases in runs.items():
        whole[repeat, fold] |= set(cases)
    for (loss, repeat, fold), cases in runs.items():
        lost = sorted(whole[repeat, fold] - set(cases))
        if lost:
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            raise UserError(
                f"condition {loss}, repeat {repeat}, fold {fold} has no row for case {lost[0]}{more}, which other "
                "conditions have in that run: add the rows, or leave the whole run out"
            )


def _straddling(folds: Mapping[tuple[int, str], int], patients: Mapping[str, str]) -> str:
    """What to say of a patient in two folds of a repeat; empty if there is none."""
    seen: dict[tuple[int, str], int] = {}
    for (repeat, case), fold in sorted(folds.items()):
        patient = patients[case]
        if seen.setdefault((repeat, patient), fold) != fold:
            return (
                f"unit {patient} has cases in folds {seen[repeat, patient]} and {fold} of repeat {repeat}, so it "
                "was trained on when it was tested: part by unit, or declare the study leaky"
            )
    return ""


def _refuse_too_few(losses: Sequence[str], patients: Mapping[str, str]) -> None:
    if len(losses) < 2:
        named = f"only {losses[0]} is there" if losses else "there are no scores"
        raise UserError(f"a comparison needs at least two conditions, {named}")
    if len(set(patients.values())) < 2:
        only = next(iter(patients.values()))
        raise UserError(f"a comparison needs at least two independent units, all cases are of {only}")


def _arrange(
    runs: Mapping[Run, Mapping[str, float]],
    losses: tuple[str, ...],
    patients: Mapping[str, str],
    folds: Mapping[tuple[int, str], int],
    bounds: tuple[float, float],
    leaky: bool,
) -> ScoreTable:
    repeats = tuple(sorted({repeat for _, repeat, _ in runs}))
    cases = {case: place for place, case in enumerate(patients)}
    values: Floats = np.full((len(losses), len(repeats), len(cases)), np.nan)
    tested = np.zeros(len(losses), dtype=np.int64)
    for (loss, repeat, _), scores in runs.items():
        tested[losses.index(loss)] += len(scores)
        for case, score in scores.items():
            values[losses.index(loss), repeats.index(repeat), cases[case]] = score
    table_folds: Integers = np.full(values.shape[1:], -1, dtype=np.int64)
    for (repeat, case), fold in folds.items():
        table_folds[repeats.index(repeat), cases[case]] = fold
    scored = (~np.isnan(values)).sum(axis=(1, 2))
    if not scored.all():
        empty = losses[int(np.argmin(scored))]
        raise UserError(f"condition {empty} has no score: every case is empty; leave it out")
    planned = sorted({(repeat, fold) for _, repeat, fold in runs})
    return ScoreTable(
        losses=losses,
        repeats=repeats,
        cases=tuple(patients),
        patients=tuple(patients.values()),
        values=values,
        folds=table_folds,
        excluded=tuple((tested - scored).tolist()),
        missed=tuple((values == 0).sum(axis=(1, 2)).tolist()),
        missing_runs=tuple((loss, *run) for loss in losses for run in planned if (loss, *run) not in runs),
        bounds=bounds,
        leaky=leaky,
    )
