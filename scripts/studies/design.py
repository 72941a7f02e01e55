"""How the runs of a study relate: which share a training set, and what the errors are clustered by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .scores import Integers, ScoreTable

Kind = Literal["new partitions", "one repeat", "fixed folds", "one training set", "one run"]


@dataclass(frozen=True, eq=False)
class Design:
    """The clusters of the cells (repeat, case) of a study, flat in the order of ``values.reshape(-1)``.

    Args:
        kind: "new partitions": patients crossed with runs, two-way clusters. "one repeat": patients lie within runs.
            "fixed folds": every repeat has the same partition, so that only the F training sets are independent.
            "one training set": one fold, several repeats: patients crossed with seeds. "one run": nothing to estimate
            the noise of training from.
        patients: (R N) code of the patient of each cell.
        trainings: (R N) code of the training set of each cell, -1 where the case was not tested. Runs of different
            repeats that test the same cases were trained on the same ones and share a code; with "one training set"
            the code is the run's.
    """

    kind: Kind
    patients: Integers
    trainings: Integers


def find_design(table: ScoreTable) -> Design:
    """Find out from the partitions what the runs of a study share."""
    repeats, cases = table.folds.shape
    codes = {name: code for code, name in enumerate(dict.fromkeys(table.patients))}
    patients = np.tile([codes[name] for name in table.patients], repeats).astype(np.int64)
    runs = run_codes(table.folds)
    trainings = training_codes(table.folds, runs)
    kind = _kind(runs, trainings, repeats)
    chosen = runs if kind == "one training set" else trainings
    return Design(kind, patients, chosen.reshape(repeats * cases))


def run_codes(folds: Integers) -> Integers:
    """A number for each run: (R, N) fold numbers, -1 untested -> (R, N) codes from 0, -1 untested."""
    codes = np.full(folds.shape, -1, dtype=np.int64)
    next_code = 0
    for repeat, row in enumerate(folds):
        for fold in np.unique(row[row >= 0]):
            codes[repeat, row == fold] = next_code
            next_code += 1
    return codes


def training_codes(folds: Integers, runs: Integers) -> Integers:
    """The same with one code for runs of different repeats that test the same of the cases that both repeats test."""
    tested = folds >= 0
    codes = runs.copy()
    for later in range(1, len(folds)):
        for run in np.unique(runs[later][tested[later]]):
            for earlier in range(later):
                both = tested[earlier] & tested[later]
                here = (runs[later] == run) & both
                there = np.unique(runs[earlier][here])
                if len(there) == 1 and bool(np.all(((runs[earlier] == there[0]) & both) == here)):
                    codes[runs == run] = codes[runs == there[0]][0]
                    break
    return codes


def _kind(runs: Integers, trainings: Integers, repeats: int) -> Kind:
    num_runs, num_trainings = (len(np.unique(codes[codes >= 0])) for codes in (runs, trainings))
    if num_runs == 1:
        return "one run"
    if num_trainings == 1:
        return "one training set"
    if repeats == 1:
        return "one repeat"
    return "fixed folds" if _nested(trainings) else "new partitions"


def _nested(trainings: Integers) -> bool:
    """Whether each case belongs to one training set throughout: (R, N) codes, -1 untested."""
    highest = np.max(trainings, axis=0)
    return bool(np.all((trainings == highest) | (trainings < 0)))
