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
from tests.synthetic import random_volume, write_decathlon, write_folder, write_promise12

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
        folder = root / f"CANARY{index} Doe^Jane 1931"
        scan = write_dicom(folder / "CANARYscan 20190817.dcm", frames, **tags)
        write_frame_segmentation(folder / "CANARYscan 20190817_segmentation.dcm", mask, scan, **tags)
    return root


def everything_below(folder):
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder)).encode()
        if path.is_file():
            yield path.read_bytes()


def refuse_canaries(text):
    assert not re.search(rb"CANARY|Doe|Jane|19310203|2019081[78]", text), text[:400]


@pytest.fixture
def canaries(tmp_path):
    return find_trus(plant(tmp_path / "raw"))


def test_nothing_of_the_headers_or_paths_is_written_or_logged(tmp_path, canaries, caplog):
    assert len(TAGS) >= 20
    caplog.set_level(logging.DEBUG)
    out = tmp_path / "out"
    settings = {"name": "trus", "labels": LABELS, "prepared_dir": out / "prepared"}
    prepared = prepare_dataset(canaries, image_size=32, **settings)
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
    settings = {"name": "trus", "labels": LABELS, "prepared_dir": tmp_path / "out"}
    with pytest.raises(ValueError, match=r"1 of 5 cases are at fault, the first: .*CANARYscan 20190817\.dcm"):
        check_dataset(canaries, output_dir=tmp_path / "out", **settings)
    table = (tmp_path / "out" / "check" / "trus" / "check.csv").read_text()
    assert "ERROR its image" in table
    for content in everything_below(tmp_path / "out"):
        refuse_canaries(content)


def names_of(cases, folder):
    return prepare_dataset(
        cases, name="toy", labels=LABELS, image_size=32, num_folds=3, in_channels=1, prepared_dir=folder
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
