"""What highdicom's readers and ours make of the same files: the table of docs/datasets.md, line by line.

``get_volume_from_series`` and ``segread`` are compared as they come, with their own defaults.
"""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from scripts.formats.dicom_image import read_dicom
from scripts.formats.dicom_segmentation import read_segmentation
from tests.dicom_files import (
    item,
    make_dicom,
    make_enhanced,
    make_series,
    put_bytes,
    save,
    write_frame_segmentation,
    write_segmentation,
    write_series,
)

hd = pytest.importorskip("highdicom")

TRUTH = (np.random.default_rng(0).integers(1, 100, (6, 5, 4)) * 4).astype(np.uint16)
TWELVE = {"BitsStored": 12, "HighBit": 11}
REFUSED, RIGHT, OTHER = "refused", "right", "other numbers"


def set_all(**tags):
    return lambda planes: [setattr(plane, name, value) for plane in planes for name, value in tags.items()]


def set_one(**tags):
    return lambda planes: [setattr(planes[1], name, value) for name, value in tags.items()]


def scale_each(planes):
    for plane, slope in zip(planes, (1, 2, 0.5, 4), strict=True):
        plane.RescaleSlope, plane.RescaleIntercept = slope, 0
        plane.PixelData = (plane.pixel_array / slope).astype(np.uint16).tobytes()


def lie_nowhere(planes):
    for plane in planes:
        del plane.ImagePositionPatient, plane.ImageOrientationPatient


def shift(planes):
    planes[1].ImagePositionPatient[0] += 2


def invert(planes, signed=False):
    for plane in planes:
        stored = -1 - plane.pixel_array.astype(np.int16) if signed else 4095 - plane.pixel_array
        plane.PixelData, plane.PhotometricInterpretation = stored.tobytes(), "MONOCHROME1"
        plane.PixelRepresentation = int(signed)
        plane.BitsStored, plane.HighBit = 12, 11


# What is done to a series, what comes of it by our reader, what by highdicom's.
SERIES = {
    "sound, files in any order": (lambda planes: planes.reverse(), RIGHT, RIGHT),
    "a rescale of its own in each file": (scale_each, RIGHT, RIGHT),
    "MONOCHROME1": (invert, RIGHT, RIGHT),
    "MONOCHROME1 of signed numbers": (lambda planes: invert(planes, signed=True), RIGHT, RIGHT),
    "a slice missing": (lambda planes: planes.pop(2), REFUSED, REFUSED),
    "a slice twice": (lambda planes: planes.append(planes[0]), REFUSED, REFUSED),
    "a slice shifted in its plane": (shift, REFUSED, REFUSED),
    "slices of two series": (set_one(SeriesInstanceUID="1.2.3"), REFUSED, REFUSED),
    "slices of two patients": (set_one(PatientID="Other"), REFUSED, RIGHT),
    "slices of two frames of reference": (set_one(FrameOfReferenceUID="1.2.3"), REFUSED, REFUSED),
    "MONOCHROME1 and 2 mixed": (set_one(PhotometricInterpretation="MONOCHROME1"), REFUSED, OTHER),
    "RescaleType HU and US mixed": (set_one(RescaleType="HU", RescaleSlope=1, RescaleIntercept=0), REFUSED, RIGHT),
    "RescaleSlope 0": (set_all(RescaleSlope=0, RescaleIntercept=0), REFUSED, OTHER),
    "RescaleSlope '1,5'": (lambda planes: [put_bytes(p, "RescaleSlope", b"1,5 ") for p in planes], REFUSED, REFUSED),
    "PhotometricInterpretation MONOCHROME3": (set_all(PhotometricInterpretation="MONOCHROME3"), REFUSED, REFUSED),
    "BitsStored 20 of 16": (set_all(BitsStored=20, HighBit=19), REFUSED, REFUSED),
    "HighBit 15 of BitsStored 12": (set_all(BitsStored=12, HighBit=15), REFUSED, RIGHT),
    "PresentationLUTShape against MONOCHROME2": (set_all(PresentationLUTShape="INVERSE"), REFUSED, OTHER),
    "an image cut short": (lambda planes: setattr(planes[1], "PixelData", planes[1].PixelData[:-8]), REFUSED, REFUSED),
    "frames that lie nowhere": (lie_nowhere, RIGHT, REFUSED),
}


def outcome(read, truth):
    try:
        found = read()
    except Exception:
        return REFUSED
    same = found.shape == truth.shape
    return RIGHT if same and np.array_equal(found, truth) else OTHER


def theirs_of_series(folder):
    datasets = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    return np.moveaxis(hd.get_volume_from_series(datasets).array, (0, 1, 2), (2, 1, 0))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SERIES)
def test_a_series_is_read_or_refused(tmp_path, name):
    change, ours, theirs = SERIES[name]
    planes = make_series(TRUTH)
    change(planes)
    for number, plane in enumerate(planes):
        save(plane, tmp_path / f"{number}.dcm")
    assert outcome(lambda: read_dicom(tmp_path).array, TRUTH) == ours
    found = outcome(lambda: theirs_of_series(tmp_path), TRUTH)
    flipped = outcome(lambda: theirs_of_series(tmp_path)[:, :, ::-1], TRUTH)
    assert RIGHT in (found, flipped) if theirs == RIGHT else found == theirs


def name_others(ds):
    ds.FrameOfReferenceUID = "1.2.3"
    for group in ds.PerFrameFunctionalGroupsSequence:
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def cross(ds):
    first, last = ds.PerFrameFunctionalGroupsSequence[0], ds.PerFrameFunctionalGroupsSequence[2]
    first.DerivationImageSequence, last.DerivationImageSequence = (
        last.DerivationImageSequence,
        first.DerivationImageSequence,
    )


def halve(ds):
    ds.PixelData = bytes(value // 2 for value in ds.PixelData)


SEGMENTATIONS = {
    "BINARY": ("BINARY", lambda ds: None, RIGHT, RIGHT),
    "LABELMAP": ("LABELMAP", lambda ds: None, RIGHT, RIGHT),
    "FRACTIONAL, all or nothing": ("FRACTIONAL", lambda ds: None, RIGHT, RIGHT),
    "FRACTIONAL with halves": ("FRACTIONAL", halve, REFUSED, REFUSED),
    "of another image": ("BINARY", name_others, REFUSED, RIGHT),
    "places and names at odds": ("BINARY", cross, REFUSED, RIGHT),
}


def theirs_of_segmentation(path, folder):
    datasets = [pydicom.dcmread(file) for file in sorted(folder.iterdir())]
    geometry = hd.get_volume_from_series(datasets)
    volume = hd.seg.segread(path).get_volume(combine_segments=True).match_geometry(geometry)
    return np.moveaxis(volume.array, (0, 1, 2), (2, 1, 0))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SEGMENTATIONS)
def test_a_segmentation_is_read_or_refused(tmp_path, name):
    kind, change, ours, theirs = SEGMENTATIONS[name]
    folder = write_series(tmp_path / "scan", TRUTH)
    mask = np.zeros(TRUTH.shape, dtype=np.uint8)
    mask[1:5, 1:4, 0:3], mask[2, 2, 1] = 1, 2
    path = write_segmentation(
        tmp_path / "m.dcm", mask, sorted(folder.iterdir(), reverse=True), kind=kind, num_segments=2
    )
    ds = pydicom.dcmread(path)
    change(ds)
    save(ds, path)
    assert outcome(lambda: read_segmentation(path, read_dicom(folder)), mask) == ours
    found = outcome(lambda: theirs_of_segmentation(path, folder), mask)
    flipped = outcome(lambda: theirs_of_segmentation(path, folder)[:, :, ::-1], mask)
    assert RIGHT in (found, flipped) if theirs == RIGHT else found == theirs


@pytest.mark.filterwarnings("ignore")
def test_frames_that_lie_nowhere_have_masks_that_only_ours_reads(tmp_path):
    frames = np.ascontiguousarray(np.moveaxis(TRUTH, (0, 1, 2), (2, 1, 0)))
    image = save(make_dicom(frames), tmp_path / "a.dcm")
    mask = (TRUTH > 200).astype(np.uint8)
    path = write_frame_segmentation(tmp_path / "m.dcm", mask, image)
    assert outcome(lambda: read_segmentation(path, read_dicom(image)), mask) == RIGHT
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever theirs raises
        hd.seg.segread(path)


@pytest.mark.filterwarnings("ignore")
def test_a_rescale_of_each_frame_of_a_file_is_read_by_both(tmp_path):
    ds = make_enhanced(TRUTH, rescales=[(2, 1), (4, 1), (8, 1), (16, 1)])
    path = save(ds, tmp_path / "a.dcm")
    theirs = np.moveaxis(hd.imread(path).get_volume().array, (0, 1, 2), (2, 1, 0))
    expected = TRUTH * np.array([2.0, 4.0, 8.0, 16.0]) + 1
    np.testing.assert_array_equal(read_dicom(path).array, expected)
    assert np.array_equal(theirs, expected) or np.array_equal(theirs[:, :, ::-1], expected)


@pytest.mark.filterwarnings("ignore")
def test_a_real_world_mapping_goes_before_the_rescale_in_theirs_and_is_not_used_in_ours(tmp_path):
    ds = make_enhanced(TRUTH, rescales=[(2, 1)] * 4)
    mapping = item(RealWorldValueFirstValueMapped=0, RealWorldValueLastValueMapped=65535, LUTLabel="a")
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept, mapping.LUTExplanation = 3.0, 0.0, "a"
    unit = item(CodeValue="1", CodingSchemeDesignator="UCUM", CodeMeaning="no units")
    mapping.MeasurementUnitsCodeSequence = [unit]
    ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = [mapping]
    path = save(ds, tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_dicom(path).array, TRUTH * 2.0 + 1)
    theirs = np.moveaxis(hd.imread(path).get_volume().array, (0, 1, 2), (2, 1, 0))
    assert sorted(theirs.ravel()) == sorted((TRUTH * 3.0).ravel())
