from __future__ import annotations

import itertools

import pytest

from scripts.datasets import Case
from scripts.datasets.splits import hash_split, split_cases


def make_cases(num_patients: int, *, scans: int = 1, part: str | None = None) -> list[Case]:
    return [
        Case(f"P{p:02d}S{s}", f"/P{p}S{s}.mhd", f"/P{p}S{s}_mask.mhd", f"P{p:02d}", part)
        for p, s in itertools.product(range(num_patients), range(scans))
    ]


@pytest.mark.parametrize(("num_patients", "num_folds"), [(3, 3), (7, 3), (20, 5), (23, 5), (10, 10)])
def test_every_case_is_tested_once_and_in_one_part_of_each_split(num_patients, num_folds):
    cases = make_cases(num_patients)
    splits = split_cases(cases, (), num_folds=num_folds, seed=0)
    assert len(splits) == num_folds
    names = sorted(case.name for case in cases)
    for split in splits:
        assert sorted(itertools.chain(*split.values())) == names
        assert all(split.values())
    assert sorted(itertools.chain(*(split["test"] for split in splits))) == names
    for fold, split in enumerate(splits):
        assert split["val"] == splits[(fold + 1) % num_folds]["test"]


def test_no_patient_is_in_two_parts():
    for split in split_cases(make_cases(7, scans=3), (), num_folds=3, seed=1):
        patients = [{name[:3] for name in names} for names in split.values()]
        assert all(a.isdisjoint(b) for a, b in itertools.combinations(patients, 2))


def test_folds_share_patients_with_foreground_evenly():
    with_foreground = [f"P{p:02d}S0" for p in range(0, 20, 4)]  # 5 of 20
    for split in split_cases(make_cases(20), with_foreground, num_folds=5, seed=3):
        assert len(set(split["test"]) & set(with_foreground)) == 1
        assert len(split["test"]) == 4


def test_seeds_0_1_0_give_a_b_a_whatever_the_order_of_the_cases():
    cases = make_cases(12)
    first, other, again = (
        split_cases(c, (), num_folds=4, seed=s) for c, s in ((cases, 0), (cases, 1), (cases[::-1], 0))
    )
    assert first == again
    assert first != other


def test_official_parts_are_used_as_they_are():
    cases = make_cases(4, part="train")[:3] + make_cases(4, part="val")[3:]
    assert split_cases(cases, (), num_folds=5, seed=0) == [
        {"train": ["P00S0", "P01S0", "P02S0"], "val": ["P03S0"], "test": []}
    ]


@pytest.mark.parametrize(
    ("cases", "num_folds", "message"),
    [
        (make_cases(2), 2, "at least 3 patients .* the data set has 2"),
        (make_cases(2, scans=5), 3, "at least 3 patients .* the data set has 2"),
        (make_cases(4), 5, "num_folds must be 3 to 4, the number of patients, got 5"),
        (make_cases(4), 2, "num_folds must be 3 to 4, the number of patients, got 2"),
        (make_cases(3, part="train")[:2] + make_cases(3)[2:], 3, "P2S0.mhd is in no official part, others are"),
        (make_cases(3, part="val"), 3, "no case is in the official part 'train'"),
        (
            make_cases(1, scans=2, part="train")[:1] + make_cases(1, scans=2, part="val")[1:],
            3,
            "P0S1.mhd: its patient is in the parts train and val",
        ),
    ],
)
def test_an_impossible_split_is_refused(cases, num_folds, message):
    with pytest.raises(ValueError, match=message):
        split_cases(cases, (), num_folds=num_folds, seed=0)


def test_the_hash_is_that_of_the_parts_not_of_their_order():
    split = {"train": ["a", "b"], "val": ["c"], "test": ["d"]}
    assert hash_split(split) == hash_split({"test": ["d"], "val": ["c"], "train": ["b", "a"]})
    assert hash_split(split) != hash_split({"train": ["a", "b"], "val": ["d"], "test": ["c"]})
    # printf '{"test": ["d"], "train": ["a", "b"], "val": ["c"]}' | sha256sum
    assert hash_split(split) == "9eae5679c0ba827e3eeabfbfd715279959a0686078a0f851a4994967dfd2db60"
