from __future__ import annotations

import pytest

from scripts.datasets import find_promise12
from tests.synthetic import write_promise12


def test_cases_are_found_flat_and_in_sub_folders_in_order_of_their_names(tmp_path):
    write_promise12(tmp_path / "b", 2)
    (tmp_path / "b" / "Case00.mhd").rename(tmp_path / "Case07.mhd")
    (tmp_path / "b" / "Case00_segmentation.mhd").rename(tmp_path / "Case07_segmentation.mhd")
    cases = find_promise12(tmp_path)
    assert [case.name for case in cases] == ["Case01", "Case07"]
    assert cases[0].image == str(tmp_path / "b" / "Case01.mhd")
    assert cases[0].label == str(tmp_path / "b" / "Case01_segmentation.mhd")
    assert [case.patient for case in cases] == ["Case01", "Case07"]
    assert cases[0].part is None


def test_a_relative_folder_gives_absolute_paths(tmp_path, monkeypatch):
    write_promise12(tmp_path / "data", 1)
    monkeypatch.chdir(tmp_path)
    assert find_promise12("data")[0].image == str(tmp_path / "data" / "Case00.mhd")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent is not a folder"):
        find_promise12(tmp_path / "absent")


def test_a_folder_without_cases_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"no PROMISE12 case \(CaseXX.mhd\) under .*; the expected tree is in"):
        find_promise12(tmp_path)


def test_a_case_without_its_mask_is_named(tmp_path):
    write_promise12(tmp_path, 3)
    (tmp_path / "Case01_segmentation.mhd").unlink()
    with pytest.raises(FileNotFoundError, match=r"Case01\.mhd has no mask: expected Case01_segmentation\.mhd"):
        find_promise12(tmp_path)


def test_a_mask_without_its_image_is_named(tmp_path):
    write_promise12(tmp_path, 3)
    (tmp_path / "Case01.mhd").unlink()
    with pytest.raises(FileNotFoundError, match=r"Case01_segmentation\.mhd has no image: expected Case01\.mhd"):
        find_promise12(tmp_path)


def test_one_name_in_two_sub_folders_is_refused(tmp_path):
    write_promise12(tmp_path / "a", 1)
    write_promise12(tmp_path / "b", 1)
    with pytest.raises(ValueError, match=r"b/Case00\.mhd and .*a/Case00\.mhd have the same name"):
        find_promise12(tmp_path)
