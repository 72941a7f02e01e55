"""What is found in a folder, what it is called, and what is left out."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from scripts.inference import LoadInput, find_inputs
from tests.dicom_files import write_dicom, write_segmentation, write_series
from tests.inference.images import bright_object
from tests.synthetic import write_mhd

TRUTH, IMAGE = bright_object()


def names(source: Path, **options: object) -> list[str]:
    return [entry["case"].name for entry in find_inputs(source, **options)]  # type: ignore[arg-type]


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    write_mhd(tmp_path / "sub" / "A.mhd", IMAGE)
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    assert names(tmp_path) == ["sub/A"]


def test_masks_outputs_and_what_storage_leaves_are_no_images(tmp_path: Path) -> None:
    series = write_series(tmp_path / "scan", IMAGE)
    write_segmentation(tmp_path / "scan" / "drawn.dcm", TRUTH, sorted(series.glob("0*.dcm"), reverse=True))
    for place in ("A.mhd", "A_segmentation.mhd", "@eaDir/B.mhd", ".hidden/C.mhd", "out/D.mhd"):
        write_mhd(tmp_path / place, IMAGE)
    (tmp_path / "B_segmentation").mkdir()  # a plane a file
    Image.fromarray(TRUTH[..., 2]).save(tmp_path / "B_segmentation" / "0001.png")
    (tmp_path / "notes.txt").write_text("no image")
    assert names(tmp_path, output_dir=tmp_path / "out") == ["A", "scan"]


def test_a_file_of_many_frames_is_an_image_of_its_own_beside_a_series(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", IMAGE)
    write_dicom(tmp_path / "scan" / "clip.dcm", np.ascontiguousarray(IMAGE.T.astype(np.uint16)))
    assert names(tmp_path) == ["scan/clip", "scan"] or names(tmp_path) == ["scan", "scan/clip"]


def test_images_of_one_name_are_told_apart_by_their_endings(tmp_path: Path) -> None:
    write_mhd(tmp_path / "A.mhd", IMAGE)
    for ending in (".nii", ".nii.gz"):
        nib.save(nib.Nifti1Image(IMAGE, np.eye(4)), tmp_path / f"A{ending}")
    assert names(tmp_path) == ["A_mhd", "A_nii", "A_nii_gz"]


def test_a_damaged_file_in_a_series_is_the_fault_of_that_folder_alone(tmp_path: Path) -> None:
    write_series(tmp_path / "bad", IMAGE)
    write_series(tmp_path / "good", IMAGE)
    path = tmp_path / "bad" / "002.dcm"
    path.write_bytes(path.read_bytes()[:300])
    found = [entry["case"] for entry in find_inputs(tmp_path)]
    assert [case.name for case in found] == ["bad", "good"]
    assert "002.dcm" in found[0].fault
    assert found[1].fault == ""


def test_a_damaged_file_beside_a_file_of_many_frames_is_told_and_that_one_is_an_image(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "clip.dcm", np.ascontiguousarray(IMAGE.T.astype(np.uint16)))
    (tmp_path / "in" / "cut.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"xx")
    found = [entry["case"] for entry in find_inputs(tmp_path / "in")]
    assert [(case.name, bool(case.fault)) for case in found] == [("clip", False), ("in", True)]
    assert "cut.dcm" in found[1].fault


def test_what_is_called_an_image_and_can_t_be_read_is_told_and_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "A.png").symlink_to(tmp_path / "away.png")
    os.mkfifo(tmp_path / "in" / "B.nii")
    write_series(tmp_path / "in" / "scan", IMAGE, names=[f"I{z}" for z in range(5)])
    (tmp_path / "in" / "scan" / "I4").unlink()
    (tmp_path / "in" / "scan" / "I4").symlink_to(tmp_path / "away")  # the last slice: no gap would tell
    cases = {entry["case"].name: entry for entry in find_inputs(tmp_path / "in")}
    assert set(cases) == {"A", "B", "scan"}
    for name, message in (("A", "A.png does not exist"), ("B", "B.nii is a pipe"), ("scan", "I4 does not exist")):
        with pytest.raises(ValueError, match=message):
            LoadInput(1)({**cases[name], "result": {}})


def test_a_single_file_is_named_by_itself(tmp_path: Path) -> None:
    assert names(write_mhd(tmp_path / "A.mhd", IMAGE)) == ["A"]
    assert names(write_series(tmp_path / "scan", IMAGE)) == ["scan"]
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_inputs(tmp_path / "none")
