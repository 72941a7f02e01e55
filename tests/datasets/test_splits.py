from __future__ import annotations

import itertools
import json
import unicodedata
from pathlib import Path

import pytest

from scripts.datasets import Case
from scripts.datasets.splits import choose_splits, hash_split, read_split_file, split_cases


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


def patients_of(names: list[str]) -> set[str]:
    return {name[:3] for name in names}


def test_scans_of_a_patient_follow_the_scan_whose_image_is_another_patients():
    """P00S0 and P05S0 are one image: none of the two patients' other scans may stand in another part."""
    cases = make_cases(6, scans=3)
    for seed in range(20):
        for split in choose_splits(cases, (), [["P00S0", "P05S0"]], num_folds=3, seed=seed):
            place = {part for part, names in split.items() if patients_of(names) & {"P00", "P05"}}
            assert len(place) == 1, split


def test_twins_of_twins_stay_together_in_whatever_order_they_are_found():
    cases = make_cases(9, scans=2)
    for twins in itertools.permutations([["P00S0", "P01S0"], ["P01S1", "P02S0"], ["P02S1", "P03S0"]]):
        for split in choose_splits(cases, (), twins, num_folds=3, seed=1):
            joined = {"P00", "P01", "P02", "P03"}
            assert len([part for part, names in split.items() if patients_of(names) & joined]) == 1, twins


def split_file(path: Path, content: object, encoding: str = "utf-8") -> Path:
    path.write_text(json.dumps(content), encoding=encoding)
    return path


def test_a_split_file_that_parts_a_patient_is_refused(tmp_path):
    cases = make_cases(3, scans=2)
    parted = {"train": ["P00S0", "P01"], "val": ["P00S1"], "test": ["P02"]}
    with pytest.raises(ValueError, match=r"split\.json: the patient 'P00' is in two parts; keep a patient's cases in"):
        read_split_file(split_file(tmp_path / "split.json", parted), cases)
    whole = {"train": ["P00", "P01"], "val": ["P02"]}
    path = split_file(tmp_path / "split.json", [whole, parted])
    with pytest.raises(ValueError, match="the patient 'P00' is in two parts"):
        read_split_file(path, cases)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_split_file_is_read_by_patients_or_cases_in_either_spelling(tmp_path, encoding):
    cases = [*make_cases(2, scans=2), Case("M\u00fcller", "/m.mhd", "/m_mask.mhd", "M\u00fcller")]
    content = {"train": ["P00"], "val": ["P01S1", "P01S0"], "test": [unicodedata.normalize("NFD", "M\u00fcller")]}
    path = split_file(tmp_path / "split.json", content, encoding)
    expected = {"train": ["P00S0", "P00S1"], "val": ["P01S0", "P01S1"], "test": ["M\u00fcller"]}
    assert read_split_file(path, cases) == [expected]
