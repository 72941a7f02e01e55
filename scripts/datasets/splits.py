"""Parts for training, validation and test that never share a patient."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..formats.listing import spell
from ..formats.regular_files import read_json
from .cases import PARTS, Case

Split = dict[str, list[str]]
IMAGE_LEAKY = "image_leaky"
SPLIT_UNITS = ("patient", IMAGE_LEAKY)
_EXAMPLE = '{"train": [...], "val": [...], "test": [...]}'


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
    _refuse_other_numbers(num_folds, len(patients), "patients")
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


def _refuse_other_numbers(num_folds: int, count: int, units: str) -> None:
    """Refuse more folds than there are units to deal, or fewer than parts."""
    if count < 3:
        raise UserError(f"a split needs at least 3 {units} (train, val, test), the data set has {count}; add some")
    if not 3 <= num_folds <= count:
        what = f"patients or, of street scenes, {count} drives" if units == "patients" else units
        possible = f"3, as there are {count} {what}" if count == 3 else f"3 to {count}, the number of {units}"
        raise UserError(f"num_folds must be {possible}, got {num_folds}; set another --num_folds")


def check_split_unit(split_unit: str, split_file: object = None) -> None:
    """Refuse a unit of splitting that does not exist, and images at random beside a split of the user's own.

    Raises:
        ValueError: names the units.
    """
    if split_unit not in SPLIT_UNITS:
        raise UserError(f"split_unit must be one of {', '.join(SPLIT_UNITS)}, got {split_unit!r}")
    if split_unit == IMAGE_LEAKY and split_file is not None:
        raise UserError(f"split_unit {IMAGE_LEAKY} parts images at random, split_file by name; leave one of them away")


def require_fold(fold: int, num_splits: int) -> None:
    """Refuse a fold that there is none of.

    Raises:
        ValueError: names the folds.
    """
    if not 0 <= fold < num_splits:
        raise UserError(f"fold must be 0 to {num_splits - 1}, got {fold}; the data set has {num_splits} split(s)")


def split_images(images: Sequence[str], *, num_folds: int, seed: int) -> list[Split]:
    """Part images at random as ``split_cases`` parts patients: a patient's images lie in every part, so it leaks.

    Args:
        images: their names.
        num_folds: number of folds, 3 to the number of images.
        seed: of the dealing; the order of ``images`` has no influence.

    Raises:
        ValueError: too many or too few folds.
    """
    _refuse_other_numbers(num_folds, len(images), "images")
    dealt = np.random.default_rng(seed).permutation(sorted(images))
    folds = [sorted(str(name) for name in dealt[fold::num_folds]) for fold in range(num_folds)]
    splits = []
    for fold in range(num_folds):
        others = [
            name for other in range(num_folds) if other not in (fold, (fold + 1) % num_folds) for name in folds[other]
        ]
        splits.append({"train": sorted(others), "val": folds[(fold + 1) % num_folds], "test": folds[fold]})
    return splits


def read_split_file(path: str | Path, cases: Sequence[Case]) -> list[Split]:
    """Read a split of the user's own and check it against the cases.

    Args:
        path: JSON, ``{"train": [...], "val": [...], "test": [...]}`` or a list of such splits, one per fold. A name is
            that of a case or of a patient, which stands for all of its cases.
        cases: the cases of the data set.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it can't be read, names what is not there, forgets a case, or parts a patient.
    """
    path = Path(path).expanduser()
    content: Any = read_json(path, f"write {_EXAMPLE}")
    splits = content if isinstance(content, list) else [content]
    if not splits:
        raise UserError(f"holds no split; write {_EXAMPLE}", path=path)
    return [_check_split(path, split, cases) for split in splits]


def choose_splits(
    cases: Sequence[Case],
    with_foreground: Collection[str],
    twins: Sequence[Sequence[str]],
    *,
    num_folds: int,
    seed: int,
) -> list[Split]:
    """Part the cases as ``split_cases`` does, and keep equal images together.

    Args:
        cases: the cases of a data set.
        with_foreground: names of the cases whose mask is not empty.
        twins: groups of names of cases with equal images. Each counts as one patient, where enough patients remain.
        num_folds: number of folds.
        seed: of the dealing.

    Raises:
        ValueError: see ``split_cases``.
    """
    joined = _join(cases, twins)
    enough = len({case.patient for case in joined}) >= num_folds
    return split_cases(joined if enough else cases, with_foreground, num_folds=num_folds, seed=seed)


def refuse_shared_images(cases: Sequence[Case], twins: Sequence[Sequence[str]]) -> None:
    """Refuse official parts that share an image.

    Raises:
        ValueError: names the image's cases and their parts.
    """
    part_of = {case.name: case.part for case in cases}
    for names in twins:
        if len({part_of[name] for name in names}) > 1:
            places = ", ".join(f"{name} ({part_of[name]})" for name in names[:4])
            raise UserError(f"the same image is in several parts: {places}; keep it in one")


def hash_split(split: Split) -> str:
    """SHA-256 of a split: equal for equal parts, whatever the order of their cases."""
    canonical = json.dumps({part: sorted(names) for part, names in split.items()}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _join(cases: Sequence[Case], twins: Sequence[Sequence[str]]) -> list[Case]:
    """Give the patients of equal images one name."""
    patient_of = {case.name: case.patient for case in cases}
    for names in twins:
        patients = sorted({patient_of[name] for name in names})
        patient_of = {name: patients[0] if own in patients else own for name, own in patient_of.items()}
    return [replace(case, patient=patient_of[case.name]) for case in cases]


def _official_split(cases: Sequence[Case]) -> Split:
    split: Split = {part: [] for part in PARTS}
    parts_of: dict[str, str] = {}
    for case in sorted(cases, key=lambda case: case.name):
        if case.part is None:
            raise UserError(f"{case.image} is in no official part, others are; give every case a part or none")
        if parts_of.setdefault(case.patient, case.part) != case.part:
            raise UserError(
                f"{case.image}: its patient is in the parts {parts_of[case.patient]} and {case.part}; keep it in one"
            )
        split[case.part].append(case.name)
    if not split["train"]:
        raise UserError("no case is in the official part 'train'; check the data set's folders")
    return split


def _check_split(path: Path, split: Any, cases: Sequence[Case]) -> Split:
    if not isinstance(split, dict) or set(split) - set(PARTS) or not all(isinstance(v, list) for v in split.values()):
        raise UserError(f"{path}: a split has the parts {', '.join(PARTS)}, each a list of names; correct it")
    part_of: dict[str, str] = {}
    for part, names in split.items():
        for name in names:
            wanted = spell(name) if isinstance(name, str) else name
            found = [case for case in cases if wanted in (case.name, case.patient)]
            if not found:
                raise UserError(f"{path}: {name!r} is neither a case nor a patient of the data set; correct the name")
            for case in found:
                if case.name in part_of:
                    raise UserError(f"{path}: {case.name!r} stands in it twice; leave it in one part")
                part_of[case.name] = part
    _refuse_unfair(path, part_of, cases)
    return {part: sorted(name for name, own in part_of.items() if own == part) for part in PARTS}


def _refuse_unfair(path: Path, part_of: dict[str, str], cases: Sequence[Case]) -> None:
    """Refuse a split that forgets a case, parts a patient or trains on nothing."""
    parts_of: dict[str, str] = {}
    for case in cases:
        if case.name not in part_of:
            raise UserError(f"{path} forgets the case {case.name!r}; put every case in a part")
        if parts_of.setdefault(case.patient, part_of[case.name]) != part_of[case.name]:
            raise UserError(f"{path}: the patient {case.patient!r} is in two parts; keep a patient's cases in one")
    if "train" not in part_of.values():
        raise UserError(f"{path}: its part 'train' is empty; put cases into it")
