"""Parts for training, validation and test that never share a patient."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence

import numpy as np

from .cases import PARTS, Case

Split = dict[str, list[str]]


def split_cases(cases: Sequence[Case], with_foreground: Collection[str], *, num_folds: int, seed: int) -> list[Split]:
    """Part the cases ``num_folds`` times, each fold of patients being the test part once.

    In split f the test part is fold f, the validation part fold (f + 1) modulo ``num_folds``, the training part the
    rest. Patients with and without foreground are dealt out separately, so that each fold has its share of both.
    Cases with official parts give one split, those parts as they are; a part that they lack is empty.

    Args:
        cases: the cases of a data set.
        with_foreground: names of the cases whose mask is not empty.
        num_folds: number of folds, 3 to the number of patients.
        seed: of the dealing; the order of ``cases`` has no influence.

    Returns:
        For each split the names of the cases of "train", "val" and "test".

    Raises:
        ValueError: too few patients, too many or too few folds, or parts that part a patient.
    """
    if any(case.part is not None for case in cases):
        return [_official_split(cases)]
    patients = sorted({case.patient for case in cases})
    if len(patients) < 3:
        raise ValueError(
            f"a split needs at least 3 patients (train, val, test), the data set has {len(patients)}; add some"
        )
    if not 3 <= num_folds <= len(patients):
        raise ValueError(f"num_folds must be 3 to {len(patients)}, the number of patients, got {num_folds}")
    present = {case.patient for case in cases if case.name in with_foreground}
    rng = np.random.default_rng(seed)
    dealt = [str(p) for stratum in (present, set(patients) - present) for p in rng.permutation(sorted(stratum))]
    fold_of = {patient: position % num_folds for position, patient in enumerate(dealt)}
    splits = []
    for fold in range(num_folds):
        part_of = {fold: "test", (fold + 1) % num_folds: "val"}
        split: Split = {part: [] for part in PARTS}
        for case in sorted(cases, key=lambda case: case.name):
            split[part_of.get(fold_of[case.patient], "train")].append(case.name)
        splits.append(split)
    return splits


def hash_split(split: Split) -> str:
    """SHA-256 of a split: equal for equal parts, whatever the order of their cases."""
    canonical = json.dumps({part: sorted(names) for part, names in split.items()}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _official_split(cases: Sequence[Case]) -> Split:
    split: Split = {part: [] for part in PARTS}
    parts_of: dict[str, str] = {}
    for case in sorted(cases, key=lambda case: case.name):
        if case.part is None:
            raise ValueError(f"{case.image} is in no official part, others are; give every case a part or none")
        if parts_of.setdefault(case.patient, case.part) != case.part:
            raise ValueError(
                f"{case.image}: its patient is in the parts {parts_of[case.patient]} and {case.part}; keep it in one"
            )
        split[case.part].append(case.name)
    if not split["train"]:
        raise ValueError("no case is in the official part 'train'; check the data set's folders")
    return split
