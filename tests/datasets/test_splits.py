from __future__ import annotations

import itertools
import json
import unicodedata
from pathlib import Path

import pytest

from scripts.datasets import Case
from scripts.datasets.splits import (
    check_split_unit,
    choose_splits,
    hash_split,
    read_split_file,
    refuse_shared_images,
    require_fold,
    split_cases,
    split_images,
)


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


def test_a_patient_has_foreground_where_one_of_its_scans_has():
    with_foreground = [f"P{p:02d}S1" for p in range(0, 20, 4)]  # of 5 of 20 patients, one scan of two
    for split in split_cases(make_cases(20, scans=2), with_foreground, num_folds=5, seed=3):
        assert len(set(split["test"]) & set(with_foreground)) == 1
        assert len(split["test"]) == 8


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds no split; write"),
        ([["P00"]], "a split has the parts train, val, test, each a list of names"),
        ({"train": ["P00"], "holdout": ["P01", "P02"]}, "a split has the parts train, val, test"),
        ({"train": ["P00", "P01"], "val": "P02"}, "each a list of names; correct it"),
        ({"train": ["P00", "P07"], "val": ["P01", "P02"]}, "'P07' is neither a case nor a patient"),
        ({"train": ["P00", 3], "val": ["P01", "P02"]}, "3 is neither a case nor a patient"),
        ({"train": ["P00", "P01"], "val": ["P01S0", "P02"]}, "'P01S0' stands in it twice; leave it in one part"),
        ({"train": ["P00", "P01S0"], "val": ["P02"]}, "forgets the case 'P01S1'; put every case in a part"),
        ({"train": [], "val": ["P00", "P01", "P02"]}, "its part 'train' is empty; put cases into it"),
    ],
)
def test_a_split_file_that_is_no_split_of_the_cases_is_refused(tmp_path, content, message):
    path = split_file(tmp_path / "split.json", content)
    with pytest.raises(ValueError, match=rf"split\.json.*{message}"):
        read_split_file(path, make_cases(3, scans=2))


def test_equal_images_of_one_patient_change_nothing():
    cases = make_cases(5, scans=2)
    alone = choose_splits(cases, (), [], num_folds=3, seed=0)
    assert choose_splits(cases, (), [["P01S0", "P01S1"]], num_folds=3, seed=0) == alone


def test_patients_are_joined_as_long_as_each_fold_keeps_one():
    twins = [["P00S0", "P01S0"]]
    for split in choose_splits(make_cases(4), (), twins, num_folds=3, seed=0):
        assert len([part for part, names in split.items() if patients_of(names) & {"P00", "P01"}]) == 1
    cases = make_cases(3)
    assert choose_splits(cases, (), twins, num_folds=3, seed=0) == split_cases(cases, (), num_folds=3, seed=0)


def test_official_parts_that_share_an_image_are_refused():
    cases = make_cases(5, part="train")[:4] + make_cases(5, part="test")[4:]
    refuse_shared_images(cases, [["P00S0", "P01S0"]])
    several = [f"P{p:02d}S0" for p in (4, 0, 1, 2, 3)]
    places = r"P04S0 \(test\), P00S0 \(train\), P01S0 \(train\), P02S0 \(train\);"
    with pytest.raises(ValueError, match=f"the same image is in several parts: {places} keep it in one"):
        refuse_shared_images(cases, [["P00S0", "P01S0"], several])


@pytest.mark.parametrize(("num_images", "num_folds"), [(3, 3), (10, 4), (7, 7)])
def test_images_at_random_are_each_tested_once_and_in_one_part_of_each_split(num_images, num_folds):
    names = [f"I{i}" for i in range(num_images)]
    splits = split_images(names, num_folds=num_folds, seed=0)
    assert len(splits) == num_folds
    for fold, split in enumerate(splits):
        assert list(split) == ["train", "val", "test"]
        assert sorted(itertools.chain(*split.values())) == names
        assert split["train"] == sorted(split["train"])
        assert split["val"] == splits[(fold + 1) % num_folds]["test"]
    assert sorted(itertools.chain(*(split["test"] for split in splits))) == names
    assert splits == split_images(names[::-1], num_folds=num_folds, seed=0)
    assert any(splits != split_images(names, num_folds=num_folds, seed=seed) for seed in range(1, 6))


@pytest.mark.parametrize("num_folds", [2, 6])
def test_a_number_of_folds_that_five_images_do_not_allow_is_refused(num_folds):
    with pytest.raises(ValueError, match=f"num_folds must be 3 to 5, the number of images, got {num_folds}"):
        split_images([f"I{i}" for i in range(5)], num_folds=num_folds, seed=0)


def test_a_fold_is_one_of_the_splits():
    require_fold(0, 3)
    require_fold(2, 3)
    for fold in (-1, 3):
        with pytest.raises(ValueError, match=rf"fold must be 0 to 2, got {fold}; the data set has 3 split\(s\)"):
            require_fold(fold, 3)


def test_a_unit_of_splitting_is_the_patient_or_the_image_that_leaks():
    check_split_unit("patient")
    check_split_unit("patient", "split.json")
    check_split_unit("image_leaky")
    with pytest.raises(ValueError, match="split_unit must be one of patient, image_leaky, got 'slice'"):
        check_split_unit("slice")
    with pytest.raises(ValueError, match="split_unit image_leaky parts images at random, split_file by name"):
        check_split_unit("image_leaky", "split.json")
