from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from scripts.formats.dicom_header import DicomHeader
from scripts.formats.dicom_image import read_dicom
from tests.dicom_files import item, make_dicom, make_enhanced, make_series, put_bytes, save


def header_of(name, value, vr="DS"):
    ds = Dataset()
    put_bytes(ds, name, value, vr)
    return DicomHeader(Path("a.dcm"), ds)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"1,5 ", r"^a.dcm: RescaleSlope \(0028,1053\) is '1,5', no number; correct it"),
        (b"3 mm", r"RescaleSlope .* is '3 mm', no number"),
        (b"1\\2 ", r"RescaleSlope .* is '1.*2', 2 values where one is expected"),
        (b"1_0 ", r"RescaleSlope .* is '1_0', no number"),  # ten, as Python reads it
        (b"1e999 ", r"RescaleSlope .* is '1e999', not finite"),
        (b"\xff\xfe", r"RescaleSlope .* no number"),
    ],
)
def test_a_value_that_is_no_number_is_named_with_its_file_and_tag(value, message):
    with pytest.raises(ValueError, match=message) as error:
        header_of("RescaleSlope", value).number("RescaleSlope")
    assert "\n" not in str(error.value)


def test_numbers_are_read_where_they_are_sound_and_none_where_there_is_none():
    assert header_of("RescaleSlope", b" 1.5 ").number("RescaleSlope") == 1.5
    assert header_of("RescaleSlope", b"").number("RescaleSlope") is None
    assert header_of("RescaleSlope", b"").is_empty("RescaleSlope")
    assert header_of("PixelSpacing", b"0.5\\0.25 ").numbers("PixelSpacing", 2) == (0.5, 0.25)
    with pytest.raises(ValueError, match=r"1 value\(s\) where 2 are expected"):
        header_of("PixelSpacing", b"0.5 ").numbers("PixelSpacing", 2)
    with pytest.raises(ValueError, match=r"InstanceNumber .* is '1.5', "):
        header_of("InstanceNumber", b"1.5 ", "IS").integer("InstanceNumber")


def test_free_text_that_is_no_utf8_is_read_and_never_refused():
    assert header_of("PatientID", b"M\xfcller", "LO").words("PatientID") == "M�ller"


@pytest.mark.parametrize("name", ["SliceThickness", "RescaleSlope", "SliceLocation", "ImagePositionPatient"])
def test_a_faulty_number_of_a_series_is_refused_by_file_and_tag(tmp_path, name):
    planes = make_series(np.arange(60, dtype=np.uint16).reshape(4, 5, 3))
    for z, plane in enumerate(planes if name == "SliceLocation" else []):
        plane.SliceLocation = z
        del plane.ImagePositionPatient
    put_bytes(planes[1], name, b"3 mm")
    for number, plane in enumerate(planes):
        save(plane, tmp_path / f"{number}.dcm")
    with pytest.raises(ValueError, match=rf"1\.dcm: {name} \(.*\) is '3 mm', (no number|1 value)"):
        read_dicom(tmp_path)


def test_a_faulty_number_of_a_frame_is_refused_by_file_and_tag(tmp_path):
    ds = make_enhanced(np.arange(60, dtype=np.uint16).reshape(4, 5, 3), rescales=[(1, 0)] * 3)
    put_bytes(ds.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence[0], "RescaleSlope", b"1,5 ")
    with pytest.raises(ValueError, match=r"a\.dcm: RescaleSlope \(0028,1053\) is '1,5', no number"):
        read_dicom(save(ds, tmp_path / "a.dcm"))


def test_a_group_of_several_items_is_refused(tmp_path):
    ds = make_enhanced(np.arange(60, dtype=np.uint16).reshape(4, 5, 3))
    position = item(ImagePositionPatient=[0, 0, 0])
    ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence = [position, position]
    with pytest.raises(ValueError, match=r"PlanePositionSequence .* 2 items where one is expected"):
        read_dicom(save(ds, tmp_path / "a.dcm"))


@pytest.mark.parametrize("name", ["SharedFunctionalGroupsSequence", "SequenceOfUltrasoundRegions"])
def test_sequences_nested_without_end_are_refused_in_one_line(tmp_path, name):
    path = save(make_dicom(np.zeros((1, 4, 4), dtype=np.uint8) + np.arange(4, dtype=np.uint8)), tmp_path / "a.dcm")
    whole = path.read_bytes()
    start = whole.rindex(b"\xe0\x7f\x10\x00")
    tag = {"SharedFunctionalGroupsSequence": b"\x00\x52\x29\x92", "SequenceOfUltrasoundRegions": b"\x18\x00\x11\x60"}
    where = start if name[1] == "h" else whole.index(b"\x20\x00\x0d\x00")
    opened = tag[name] + b"SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(whole[:where] + opened * 200_000 + whole[where:])
    with pytest.raises(ValueError, match=r"a\.dcm") as error:
        read_dicom(path)
    assert "\n" not in str(error.value)


def test_a_file_whose_name_is_no_utf8_is_read_and_a_faulty_one_refused(tmp_path):
    ds = make_dicom(np.arange(16, dtype=np.uint8).reshape(1, 4, 4))
    path = tmp_path / os.fsdecode(b"M\xfcller.dcm")
    assert read_dicom(save(ds, path)).array.shape == (4, 4, 1)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match="cut short in its header"):
        read_dicom(path)


def test_a_file_that_the_system_does_not_give_is_not_called_damaged(tmp_path, monkeypatch):
    path = save(make_dicom(np.arange(16, dtype=np.uint8).reshape(1, 4, 4)), tmp_path / "a.dcm")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pydicom.dcmread", refuse)
    with pytest.raises(ValueError, match=r"a\.dcm can't be read \(Permission denied\); correct its permissions"):
        read_dicom(path)
