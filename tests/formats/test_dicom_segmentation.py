from __future__ import annotations

import numpy as np
import pydicom
import pytest

from scripts.formats.dicom_image import read_dicom
from scripts.formats.dicom_segmentation import is_segmentation, read_segmentation
from tests.dicom_files import save, write_dicom, write_frame_segmentation, write_segmentation, write_series


@pytest.fixture
def series(tmp_path):
    """A series of 5 planes and a mask of two segments on three of them."""
    folder = write_series(tmp_path / "scan", np.arange(8 * 6 * 5, dtype=np.uint16).reshape(8, 6, 5))
    mask = np.zeros((8, 6, 5), dtype=np.uint8)
    mask[1:6, 1:5, 1:4] = 1
    mask[2:4, 2:4, 2] = 2
    return folder, mask


def sources(folder):
    return sorted(folder.iterdir(), reverse=True)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("told", ["names", "places", "both"])
def test_segments_of_every_kind_lie_on_their_planes(tmp_path, series, kind, shuffled, told):
    pytest.importorskip("highdicom")
    folder, mask = series
    path = write_segmentation(tmp_path / "m.dcm", mask, sources(folder), kind=kind, num_segments=2)
    ds = pydicom.dcmread(path)
    assert ds.NumberOfFrames == (3 if kind == "LABELMAP" else 4)
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    if shuffled:
        frames = ds.pixel_array[::-1]
        bits = np.packbits(frames.ravel(), bitorder="little") if kind == "BINARY" else frames.astype(frames.dtype)
        data = bits.tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)
        groups.reverse()
        ds.PerFrameFunctionalGroupsSequence = groups
    for group in groups:
        if told == "names":
            del group.PlanePositionSequence
        elif told == "places":
            del group.DerivationImageSequence
    assert is_segmentation(save(ds, tmp_path / "n.dcm"))
    np.testing.assert_array_equal(read_segmentation(tmp_path / "n.dcm", read_dicom(folder)), mask)


def spoiled(tmp_path, series, spoil, kind="BINARY"):
    pytest.importorskip("highdicom")
    folder, mask = series
    path = write_segmentation(tmp_path / "m.dcm", mask, sources(folder), kind=kind, num_segments=2)
    ds = pydicom.dcmread(path)
    spoil(ds)
    return save(ds, path), read_dicom(folder)


def turn(ds):
    orientation = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [-v for v in orientation.ImageOrientationPatient[:3]] + list(
        orientation.ImageOrientationPatient[3:]
    )


def name_others(ds):
    for group in ds.PerFrameFunctionalGroupsSequence:
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    ds.FrameOfReferenceUID = "1.2.3"


def cross(ds):
    """Let the first frame name the plane of the last one."""
    groups = ds.PerFrameFunctionalGroupsSequence
    groups[0].DerivationImageSequence, groups[2].DerivationImageSequence = (
        groups[2].DerivationImageSequence,
        groups[0].DerivationImageSequence,
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (turn, "has another direction or spacing than its image; export it on that grid"),
        (name_others, "was drawn on another image"),
        (cross, "frame 1 names one plane of its image and lies in another"),
        (lambda ds: setattr(ds, "SegmentationType", "SURFACE"), "SegmentationType .* is 'SURFACE', none of BINARY"),
        (
            lambda ds: setattr(ds.SegmentSequence[1], "SegmentNumber", 3),
            "ReferencedSegmentNumber .* is '2', a segment that the file does not describe",
        ),
    ],
)
def test_a_segmentation_that_contradicts_itself_or_its_image_is_refused(tmp_path, series, spoil, message):
    path, image = spoiled(tmp_path, series, spoil)
    with pytest.raises(ValueError, match=message):
        read_segmentation(path, image)


def test_a_label_map_with_a_segment_that_it_does_not_describe_is_refused(tmp_path, series):
    def forget(ds):
        del ds.SegmentSequence[-1]

    path, image = spoiled(tmp_path, series, forget, kind="LABELMAP")
    with pytest.raises(ValueError, match="holds segment 2, which it does not describe"):
        read_segmentation(path, image)


def test_a_segment_number_beyond_a_byte_is_kept(tmp_path):
    image = write_dicom(tmp_path / "a.dcm", np.zeros((2, 6, 8), dtype=np.uint8))
    mask = np.zeros((8, 6, 2), dtype=np.uint8)
    mask[2:4, 2:4, 1] = 1
    ds = pydicom.dcmread(write_frame_segmentation(tmp_path / "m.dcm", mask, image))
    ds.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 300
    found = read_segmentation(save(ds, tmp_path / "m.dcm"), read_dicom(image))
    np.testing.assert_array_equal(found, mask.astype(int) * 300)


def test_a_frame_shown_twice_and_one_that_names_two_planes_are_refused(tmp_path):
    image = write_dicom(tmp_path / "a.dcm", np.zeros((2, 6, 8), dtype=np.uint8))
    mask = np.zeros((8, 6, 2), dtype=np.uint8)
    mask[0, 0, 0] = mask[2:4, 2:4, 1] = 1
    ds = pydicom.dcmread(write_frame_segmentation(tmp_path / "m.dcm", mask, image))
    source = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    source.ReferencedFrameNumber = 2
    with pytest.raises(ValueError, match="shows a segment twice in one plane"):
        read_segmentation(save(ds, tmp_path / "b.dcm"), read_dicom(image))
    source.ReferencedFrameNumber = [1, 2]
    with pytest.raises(ValueError, match="frame 1 names several planes and has no place"):
        read_segmentation(save(ds, tmp_path / "c.dcm"), read_dicom(image))


def test_fractions_are_whole_where_they_reach_the_greatest_value_and_not_where_they_equal_each_other(tmp_path):
    image = write_dicom(tmp_path / "a.dcm", np.zeros((1, 6, 8), dtype=np.uint8))
    mask = np.ones((8, 6, 1), dtype=np.uint8)
    half = {"PixelData": bytes([128]) * 48, "SegmentationType": "FRACTIONAL", "MaximumFractionalValue": 255}
    tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    path = write_frame_segmentation(tmp_path / "m.dcm", mask, image, **(half | tags))
    with pytest.raises(ValueError, match="such as 128 of 255; threshold it"):
        read_segmentation(path, read_dicom(image))
    whole = half | tags | {"MaximumFractionalValue": 128}
    path = write_frame_segmentation(tmp_path / "n.dcm", mask, image, **whole)
    np.testing.assert_array_equal(read_segmentation(path, read_dicom(image)), mask)
