"""No name, id, date or place of a person leaves the raw files."""

from __future__ import annotations

import logging
import os
import re

import numpy as np
import pytest

from scripts.datasets import find_folder, find_nifti, find_promise12, find_trus, prepare_dataset
from scripts.datasets.checking.check import check_dataset
from tests.dicom_files import write_dicom, write_frame_segmentation
from tests.synthetic import random_volume, write_decathlon, write_folder, write_mhd, write_promise12

LABELS = ["background", "prostate"]
TAGS = [
    "PatientName", "PatientID", "OtherPatientIDs", "PatientBirthName", "PatientMotherBirthName", "PatientAddress",
    "PatientTelephoneNumbers", "PatientComments", "InstitutionName", "InstitutionAddress", "ReferringPhysicianName",
    "PerformingPhysicianName", "OperatorsName", "StudyDescription", "SeriesDescription", "AccessionNumber", "StudyID",
    "StationName", "InstitutionalDepartmentName", "ProtocolName", "ImageComments", "DeviceSerialNumber",
]  # fmt: skip
DATES = {"PatientBirthDate": "19310203", "StudyDate": "20190817", "ContentDate": "20190818"}


def plant(root):
    """Five patients whose every tag and path holds a canary."""
    for index in range(5):
        image, mask = random_volume(index)
        frames = np.ascontiguousarray(np.moveaxis(image, (0, 1, 2), (2, 1, 0)) // 8).astype(np.uint8)
        tags = dict.fromkeys(TAGS, f"CANARY{index}"[:16]) | DATES
        folder = root / f"CANARY{index} Doermann^Janetta 1931"
        scan = write_dicom(folder / "CANARYscan 20190817.dcm", frames, **tags)
        write_frame_segmentation(folder / "CANARYscan 20190817_segmentation.dcm", mask, scan, **tags)
    return root


def everything_below(folder):
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder)).encode()
        if path.is_file():
            yield path.read_bytes()


def refuse_canaries(text):
    """Each pattern is of six bytes at least: pictures and weights hold any three by chance."""
    assert not re.search(rb"CANARY|Doermann|Janetta|19310203|2019081[78]", text), text[:400]


@pytest.fixture
def canaries(tmp_path):
    return find_trus(plant(tmp_path / "raw"))


def test_nothing_of_the_headers_or_paths_is_written_or_logged(tmp_path, canaries, caplog):
    assert len(TAGS) >= 20
    caplog.set_level(logging.DEBUG)
    out = tmp_path / "out"
    settings = {"name": "trus", "labels": LABELS, "image_size": 32, "prepared_dir": out / "prepared"}
    prepared = prepare_dataset(canaries, **settings)
    check_dataset(canaries, output_dir=out, **settings)
    files = list(everything_below(out))
    assert len(files) > 50
    for content in files:
        refuse_canaries(content)
    refuse_canaries(caplog.text.encode())
    assert all(re.fullmatch(r"case-[0-9a-f]{12}", name) for name in prepared.case_names)


def test_the_table_of_a_faulty_data_set_names_no_file(tmp_path, canaries):
    path = next((tmp_path / "raw").glob("*/*7.dcm"))
    path.write_bytes(path.read_bytes()[:700])
    settings = {"name": "trus", "labels": LABELS, "image_size": 32, "prepared_dir": tmp_path / "out"}
    with pytest.raises(ValueError, match=r"1 of 5 cases are at fault, the first: .*CANARYscan 20190817\.dcm"):
        check_dataset(canaries, output_dir=tmp_path / "out", **settings)
    table = (tmp_path / "out" / "check" / "trus" / "check.csv").read_text()
    assert "ERROR its image" in table
    for content in everything_below(tmp_path / "out"):
        refuse_canaries(content)


def table_of_faults(cases, folder):
    """The text of check.csv for a data set of which a case is at fault."""
    settings = {"name": "toy", "labels": LABELS, "image_size": 32, "num_folds": 3, "in_channels": 3}
    with pytest.raises(ValueError, match="cases are at fault, the first: /"):
        check_dataset(cases, output_dir=folder, prepared_dir=folder, **settings)
    return (folder / "check" / "toy" / "check.csv").read_text()


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_of_an_image_and_a_mask_of_one_name_the_faulty_one_is_told_without_a_name(tmp_path, caplog, kind):
    caplog.set_level(logging.DEBUG)
    root = write_folder(tmp_path / "CANARY Doermann  Janetta", 4)
    for folder in ("images", "masks"):
        (root / folder / "p1.png").rename(root / folder / "Doermann  Janetta_1970.png")
    (root / kind / "Doermann  Janetta_1970.png").write_bytes(b"no picture")
    table = table_of_faults(find_folder(root), tmp_path / "out")
    assert f"ERROR its {kind[:-1]} is damaged or no picture" in table
    refuse_canaries((table + caplog.text).encode())
    assert str(tmp_path) not in table


@pytest.mark.parametrize("name", ["Doermann  Janetta.mhd", "Doermann\u00e9.mhd"])
def test_neither_header_nor_data_file_of_a_volume_is_named(tmp_path, name):
    for index in range(4):
        image, mask = random_volume(index)
        write_mhd(tmp_path / "raw" / "images" / (name if index == 0 else f"p{index}.mhd"), image)
        write_mhd(tmp_path / "raw" / "masks" / (name if index == 0 else f"p{index}.mhd"), mask)
    data = (tmp_path / "raw" / "masks" / name).with_suffix(".raw")
    data.write_bytes(data.read_bytes()[:-5])
    table = table_of_faults(find_folder(tmp_path / "raw"), tmp_path / "out")
    assert "ERROR its mask is truncated: DimSize 40 x 32 x 5 of MET_UCHAR needs 6400 bytes" in table
    refuse_canaries(table.encode())


def test_a_public_data_set_is_told_by_file_without_its_folders(tmp_path):
    root = write_promise12(tmp_path / "raw" / "CANARY", 4)
    (root / "Case01.raw").write_bytes(b"")
    table = table_of_faults(find_promise12(root), tmp_path / "out")
    assert "ERROR Case01.raw is truncated" in table
    refuse_canaries(table.encode())


def test_a_name_that_is_not_utf_8_ends_in_no_traceback(tmp_path):
    root = write_folder(tmp_path / "raw", 4)
    odd = root / "images" / os.fsdecode(b"Doermann\xff.png")
    (root / "images" / "p1.png").rename(odd)
    (root / "masks" / "p1.png").rename(root / "masks" / odd.name)
    assert all(name.startswith("case-") for name in names_of(find_folder(root), tmp_path / "a", in_channels=3))
    odd.write_bytes(b"no picture")
    assert "ERROR its image is damaged" in table_of_faults(find_folder(root), tmp_path / "out")


def names_of(cases, folder, in_channels=1):
    return prepare_dataset(
        cases, name="toy", labels=LABELS, image_size=32, num_folds=3, in_channels=in_channels, prepared_dir=folder
    ).case_names


def test_names_depend_on_a_salt_that_stays_with_the_prepared_data(tmp_path, canaries, monkeypatch):
    monkeypatch.delenv("ADFL_SALT", raising=False)
    first, again, other = (names_of(canaries, tmp_path / name) for name in ("a", "a", "b"))
    assert first == again
    assert not set(first) & set(other)
    assert oct(os.stat(tmp_path / "a" / ".salt").st_mode)[-3:] == "600"
    monkeypatch.setenv("ADFL_SALT", "the same on two machines")
    assert names_of(canaries, tmp_path / "c") == names_of(canaries, tmp_path / "d")


def test_folds_do_not_depend_on_the_salt(tmp_path):
    cases = find_nifti(write_decathlon(tmp_path / "raw", 7))
    sizes = []
    for place in "abc":
        prepared = prepare_dataset(
            cases, name="toy", labels=LABELS, image_size=32, num_folds=3, prepared_dir=tmp_path / place
        )
        sizes.append(prepared.class_counts("test"))
    assert sizes[0] == sizes[1] == sizes[2]


def test_who_asks_for_it_gets_the_files_names(tmp_path):
    assert names_of(find_nifti(write_decathlon(tmp_path / "n"), keep_names=True), tmp_path / "a")[0] == "v_000"
    assert names_of(find_promise12(write_promise12(tmp_path / "p", 3)), tmp_path / "a")[0] == "Case00"
    cases = find_folder(write_folder(tmp_path / "f"), keep_names=True)
    assert [case.name for case in cases] == ["p0", "p1", "p2", "p3"]
